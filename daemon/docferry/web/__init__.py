"""What docferry answers over HTTP."""

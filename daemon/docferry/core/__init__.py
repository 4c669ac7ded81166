"""Every decision docferry takes. Pure: values in, values out; no I/O, no clock, no randomness."""

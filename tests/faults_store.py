"""Mistakes about what a store, or something instead of it, answers."""

from __future__ import annotations

from fault import Fault

CLIENT = "storage/s3_client.py"
TROUBLE = "contract/test_s3_trouble.py"
PAGE = f"{TROUBLE}::test_a_page_with_an_etag_is_no_object_and_no_upload"

OF_THE_STORE = (
    Fault(
        "a page with an ETag passes for an object",
        CLIENT,
        "        if not is_doubtful(head):\n            return\n",
        "        return\n",
        (PAGE,),
    ),
    Fault(
        "a page with a usual ETag passes for an object",
        "storage/s3_genuine.py",
        "    return is_page or _IS_USUAL",
        "    return _IS_USUAL",
        (PAGE,),
    ),
    Fault(
        "a page passes for the answer to an upload",
        CLIENT,
        "        if self._put_answers.is_doubtful(token, body):",
        "        if False:",
        (f"{TROUBLE}::test_an_upload_that_only_a_page_has_answered_is_none",),
    ),
    Fault(
        "a page passes for a marker",
        CLIENT,
        "        if expect is None and version_id is None:",
        "        if False:",
        (PAGE,),
    ),
    Fault(
        "redirects are followed until the stack is full",
        "storage/s3_connect.py",
        '["redirected"] = True',
        '["redirected"] = False',
        (f"{TROUBLE}::test_a_store_that_leads_to_a_log_in_page_is_none",),
    ),
    Fault(
        "keys that are handed out ended pass for a bug",
        "storage/s3_connect.py",
        "    except RuntimeError as error:\n        raise TokenRetrievalError(",
        "    except KeyError as error:\n        raise TokenRetrievalError(",
        (
            "system/test_store_keys.py::"
            "test_keys_of_a_role_that_end_while_docferry_runs_are_named_and_it_goes_on_with_new_ones",
        ),
    ),
    Fault(
        "a strangers' HTML document passes for a page",
        CLIENT,
        "not is_listed(page, key, head.token)",
        "is_listed(page, key, head.token)",
        (f"{TROUBLE}::test_a_strangers_html_whatever_its_etag_is_an_object",),
    ),
)

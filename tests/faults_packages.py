"""Mistakes of packages: what an installation, an upgrade or a removal must not do."""

from __future__ import annotations

from fault import Fault

_SCRIPTS = "../../packaging/scripts"

OF_PACKAGES = (
    Fault(
        "a purge takes everything that lies in the state folder",
        f"{_SCRIPTS}/deb-postrm",
        'rm -f "$state"/ledger.sqlite3* "$state"/audit.jsonl*',
        'rm -rf "$state" "$state"',
        ("system/test_packages.py::test_a_purge_leaves_what_is_not_docferrys_own",),
    ),
    Fault(
        "a purge leaves the secrets",
        f"{_SCRIPTS}/deb-postrm",
        "rm -rf /etc/docferry /var/log/docferry",
        "rm -rf /var/log/docferry",
        (
            "system/test_packages.py"
            "::test_a_purge_deletes_the_ledger_and_the_secrets_and_no_document",
        ),
    ),
    Fault(
        "a package that is removed leaves the daemon running",
        f"{_SCRIPTS}/deb-prerm",
        '[ "$1" = remove ]',
        '[ "$1" = removal ]',
        ("system/test_packages.py::test_a_removal_ends_it_and_keeps_state_and_documents",),
    ),
    Fault(
        "an upgrade of a package starts what a person has stopped",
        f"{_SCRIPTS}/deb-postinst",
        " && systemctl --quiet is-active docferry.service",
        "",
        (
            "system/test_packages.py"
            "::test_an_upgrade_neither_starts_nor_enables_what_a_person_has_switched_off",
        ),
    ),
    Fault(
        "an upgrade of a package leaves the old version running",
        f"{_SCRIPTS}/deb-postinst",
        "deb-systemd-invoke restart docferry.service",
        "true",
        (
            "system/test_packages.py"
            "::test_an_upgrade_keeps_the_edited_configuration_and_starts_the_new_version",
        ),
    ),
    Fault(
        "an upgrade of a package replaces the edited configuration",
        "../../packaging/nfpm.yaml",
        "    type: config|noreplace\n",
        "",
        (
            "system/test_packages.py"
            "::test_an_upgrade_keeps_the_edited_configuration_and_starts_the_new_version",
        ),
    ),
    Fault(
        "a package comes with a mirror that nobody has asked for",
        "../../packaging/build-packages",
        "sed 's/^[^#]/#&/' config/docferry.toml",
        "cat config/docferry.toml",
        (
            "system/test_packages.py"
            "::test_installed_it_is_enabled_and_does_nothing_until_it_is_configured",
        ),
    ),
)

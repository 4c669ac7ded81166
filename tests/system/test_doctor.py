"""The bundle for whoever helps, of a daemon that runs."""

from __future__ import annotations

import tarfile

from system.daemon import Site


def test_a_bundle_of_a_daemon_that_runs_tells_its_figures_and_where_its_threads_are(
    site: Site,
) -> None:
    site.docs.write("a.txt", b"a")
    with site.running() as daemon:
        site.settle(daemon)
        file = site.state.parent / "bundle.tar.gz"

        site.run("doctor", "--output", str(file))

        with tarfile.open(file) as tar:
            found = {
                name: opened.read().decode()
                for name in tar.getnames()
                if (opened := tar.extractfile(name))
            }
    assert "docferry_operations_total{" in found["docferry-doctor/metrics.txt"]
    assert "engine/loop.py" in found["docferry-doctor/stacks.txt"]
    assert "a.txt" not in "".join(found.values())

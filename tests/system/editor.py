"""People's programs at work in a folder, as a process that can be recorded: nothing is synced."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> None:
    root = Path(sys.argv[1])
    for deed, path, what in json.loads(sys.argv[2]):
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        match deed:
            case "save":
                file.write_text(what)
            case "save beside":
                beside = file.with_name(f".{file.name}.tmp")
                beside.write_text(what)
                beside.rename(file)
            case "delete":
                file.unlink()
            case "rename":
                (root / what).parent.mkdir(parents=True, exist_ok=True)
                file.rename(root / what)
            case _:
                raise ValueError(deed)


if __name__ == "__main__":
    main()

"""Checks that each target of Package.swift names the modules that its files import, and no others."""

import json
import pathlib
import re
import subprocess
import sys

SYSTEM = {"Foundation", "Dispatch", "Glibc", "Synchronization", "Testing", "XCTest", "PackageDescription", "Swift"}
IMPORT = re.compile(r"^\s*(?:@\w+\s+)*(?:public |package |internal |private |fileprivate )?import (?:struct |class |enum |func )?(\w+)", re.M)


def dependency_names(target: dict) -> set[str]:
    names = set()
    for dependency in target["dependencies"]:
        for kind in ("byName", "target", "product"):
            if kind in dependency:
                names.add(dependency[kind][0])
    return names


def problems(package: dict) -> list[str]:
    found = []
    for target in package["targets"]:
        if target["type"] == "system":
            continue
        default = ("Tests/" if target["type"] == "test" else "Sources/") + target["name"]
        folder = pathlib.Path(target.get("path") or default)
        files = list(folder.rglob("*.swift"))
        if not files:  # C, which includes headers.
            continue
        imported = {name for file in files for name in IMPORT.findall(file.read_text()) if name not in SYSTEM}
        named = dependency_names(target)
        # Programs that tests start are named so that they are built before.
        programs = {name for name in named - imported if name.endswith("Programs")}
        for name in sorted(imported - named):
            found.append(f"Package.swift: {target['name']} imports {name} and does not name it")
        for name in sorted(named - imported - programs):
            found.append(f"Package.swift: {target['name']} names {name} and does not import it")
    return found


if __name__ == "__main__":
    description = subprocess.run(["swift", "package", "dump-package"], check=True, capture_output=True, text=True)
    lines = problems(json.loads(description.stdout))
    print("\n".join(lines), end="\n" if lines else "")
    sys.exit(bool(lines))

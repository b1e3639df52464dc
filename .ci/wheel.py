"""Install the wheel into an environment and run a study from an empty folder, away from the checkout: wheel.py DIST VENV."""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

STUDY = ("scenario=tampering", "subject=self,peer", "peer=none,cooperative", "--models", "sim/gemini-3-flash", "--n", "20")

root, (dist, venv) = Path(__file__).parents[1], map(Path, sys.argv[1:])
(wheel,), (_,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
names = set(zipfile.ZipFile(wheel).namelist())
files = (path.relative_to(root).as_posix() for path in root.glob("ppres/**/*") if path.is_file() and path.suffix != ".pyc")
if lacking := set(files) - names:
    sys.exit(f"the wheel lacks {sorted(lacking)}")
if beside := {name for name in names if not name.startswith("ppres")}:
    sys.exit(f"the wheel holds {sorted(beside)}, which is none of ppres")
subprocess.run([venv / "bin/pip", "install", "-q", wheel], check=True)


def told(folder: str, command: str, *arguments: str, status: int = 0) -> str:
    """What a command of the environment prints, run in a folder."""
    done = subprocess.run([venv / "bin" / command, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != status:
        sys.exit(f"{command} {' '.join(arguments)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


with tempfile.TemporaryDirectory() as away:
    if "site-packages" not in told(away, "python", "-c", "import ppres; print(ppres.__file__)"):
        sys.exit("it is not the wheel that runs")
    for arguments in (["--version"], ["plan", *STUDY], ["run", *STUDY, "--csv", "df.csv"], ["status"]):
        print(told(away, "ppres", *arguments))
    first = Path(away, "df.csv").read_text(encoding="utf-8").splitlines()[1].partition(",")[0]
    if "--- assistant" not in told(away, "ppres", "show", first):
        sys.exit("ppres show shows no conversation")
    said = told(away, "ppres", "reproduce", status=1)
    print(said)
    if "run this inside a clone of the project" not in said:
        sys.exit("ppres reproduce does not say where the notebooks are")

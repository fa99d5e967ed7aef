# SPDX-License-Identifier: Apache-2.0
"""The image that was pushed, run by podman and runc: it trains as `branchline local` does."""
import json
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from registries import Layout, find_tool, skopeo

TRAIN = """
import json, os, pathlib, sys
steps = int(sys.argv[sys.argv.index("--steps") + 1])
with open(os.environ["BRANCHLINE_METRICS"], "a") as metrics:
    for step in range(1, steps + 1):
        metrics.write(json.dumps({"step": step, "loss": 1 / step}) + chr(10))
        print({"loss": 1 / step}, flush=True)
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text(os.environ["SM_HP_STEPS"])
print("from", pathlib.Path(__file__).name, "in", os.getcwd() == str(pathlib.Path(__file__).parent))
sys.exit(int(os.environ.get("EXIT", "0")))
"""
CONFIG = """
version: 1
command: [python3, train.py]
hyperparameters: {steps: 5}
metrics: {primary: loss}
"""


def libraries_of(program):
    """The shared objects that a program needs, by ldd; none of a static one."""
    done = subprocess.run(["ldd", program], capture_output=True, text=True)
    return [pathlib.Path(word) for line in done.stdout.splitlines() for word in line.split()
            if word.startswith("/")]


def host_files(runner):
    """Python and what it needs, as a root file system: {path: bytes}."""
    python = pathlib.Path("/usr/bin/python3")
    stdlib = next((path for path in sorted(pathlib.Path("/usr/lib").glob("python3.*"))
                   if (path / "os.py").exists()), None)
    if not python.exists() or stdlib is None:
        pytest.skip("no /usr/bin/python3 of the distribution to make an image of")
    files = {"usr/bin/python3": python.resolve().read_bytes(), "tmp": None}
    for path in {*libraries_of(python.resolve()), *libraries_of(runner)}:
        files[str(path).lstrip("/")] = path.resolve().read_bytes()
    files[f"{stdlib}/lib-dynload".lstrip("/")] = None  # python says aloud when it is missing
    skipped = ("test", "idlelib", "tkinter", "ensurepip", "lib2to3", "pydoc_data", "__pycache__", "config-")
    for path in sorted(stdlib.rglob("*.py")):
        if not any(part.startswith(skipped) for part in path.relative_to(stdlib).parts):
            files[str(path).lstrip("/")] = path.resolve().read_bytes()
    return files


class Podman:
    """A store and a runtime folder of this test's own; networks and the host's are not touched."""

    def __init__(self, folder):
        self.folder = folder
        self.base = [find_tool("podman"), "--root", f"{folder}/store", "--runroot", f"{folder}/run",
                     "--tmpdir", f"{folder}/tmp", "--storage-driver", "vfs", "--runtime", find_tool("runc"),
                     "--cgroup-manager", "cgroupfs", "--events-backend", "file", "--log-level", "error"]

    def __call__(self, *words, ok=True):
        done = subprocess.run([*self.base, *words], capture_output=True, text=True, timeout=120,
                              stdin=subprocess.DEVNULL)
        assert done.returncode == 0 or not ok, done.stderr
        return done

    def can_run(self, image):
        done = self("run", "--rm", *OPTIONS, "--entrypoint", "/usr/bin/python3", image, "-c", "0", ok=False)
        if done.returncode:
            pytest.skip(f"podman cannot run here: {done.stderr.strip()[-200:]}")


OPTIONS = ("--network", "none", "--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096")


@pytest.fixture
def podman():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bl-podman-"))  # its path may have 50 bytes
    started = Podman(folder)
    yield started
    started("rm", "-af", ok=False)
    started("rmi", "-af", ok=False)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def trained_image(push, repo, podman, runner, tmp_path, registry_v3):
    repo.commit({"branchline.yaml": CONFIG, "train.py": TRAIN})
    layout = Layout(tmp_path / "python")
    # a base that has an entry point of its own, and another commit's code
    layout.image("base", [host_files(runner), {"opt/ml/code/train.py": b"raise SystemExit('stale')"}],
                 config={"Entrypoint": ["/usr/bin/python3", "-c", "raise SystemExit(99)"], "Cmd": ["x"],
                         "Env": ["PATH=/usr/bin:/bin"]})
    name = f"{registry_v3}/{tmp_path.name.replace('_', '-')}"
    pushed = push(repo, name, base=f"oci:{layout.path}:base")
    podman("pull", "--tls-verify=false", "-q", pushed["image"])
    podman.can_run(pushed["image"])
    return pushed["image"]


def run_image(podman, image, tmp_path, name, *words, config=None, env=()):
    """Runs it with the contract's mounts; its output folder."""
    ml = tmp_path / name
    mounts = []
    for part in ("model", "output", "checkpoints", "input/config"):
        (ml / part).mkdir(parents=True)
        mounts += ["-v", f"{ml / part}:/opt/ml/{part}"]
    for path, body in (config or {}).items():
        (ml / "input" / "config" / path).write_text(json.dumps(body))
    done = podman("run", "--rm", *OPTIONS, *mounts, *[word for pair in env for word in ("-e", pair)], image,
                  *words, ok=False)
    return done, ml


def exit_of(ml):
    return json.loads((ml / "output" / "branchline" / "exit.json").read_text())


def points_of(*paths):
    """What the training itself gave, without the times at which it came."""
    points = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    return [{key: value for key, value in point.items() if key != "at"}
            for point in points if point["source"] == "metrics_file"]


def trained_locally(push, repo, tmp_path, code):
    """(exit record, metrics) of the same commit under `branchline local`, which keeps a failure's files."""
    done = subprocess.run([push.program, "local", "--store", str(tmp_path / "store")], cwd=repo.path,
                          env=push.environ({"EXIT": str(code)}), capture_output=True, text=True, timeout=120)
    assert done.returncode == (1 if code else 0), done.stderr
    run, = (tmp_path / "store" / "runs").iterdir()
    end = json.loads((run / "attempts" / "001.end.json").read_text())
    records = list((repo.path / ".branchline" / "work").glob("*/*/output/branchline/exit.json"))
    return (json.loads(records[0].read_text()) if records else None, end,
            points_of(*sorted((run / "metrics" / "001").iterdir())))


TIMES = ("started_at", "ended_at", "started_ms", "ended_ms", "finished_at")


@pytest.mark.parametrize("code", [0, 3])
def test_it_trains_as_local_does(podman, trained_image, push, repo, tmp_path, code):
    done, ml = run_image(podman, trained_image, tmp_path, "ml", env=[f"EXIT={code}"])
    assert done.returncode == code, done.stderr
    assert "from train.py in True" in done.stdout and "{'loss': 0.2}" in done.stdout
    assert (ml / "model" / "model.txt").read_text() == "5"
    record, end, points = trained_locally(push, repo, tmp_path, code)
    assert points_of(ml / "output" / "branchline" / "metrics.jsonl") == points and len(points) == 5
    mine = exit_of(ml)
    assert mine["exited"] is True and mine["code"] == code == end["exit_code"]
    if record:
        assert mine.keys() == record.keys()
        assert {key: mine[key] for key in mine if key not in TIMES} == {
            key: record[key] for key in record if key not in TIMES}


def test_train_as_sagemaker_calls_it(podman, trained_image, tmp_path):
    """With `train` as its argument, and SageMaker's own hyperparameters, which win over the image's."""
    done, ml = run_image(podman, trained_image, tmp_path, "sm", "train",
                         config={"hyperparameters.json": {"steps": "3"}}, env=["EXIT=7"])
    assert done.returncode == 7, done.stderr
    assert exit_of(ml)["code"] == 7
    assert (ml / "model" / "model.txt").read_text() == "3"

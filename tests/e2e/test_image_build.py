# SPDX-License-Identifier: Apache-2.0
"""Bases that push-image builds: when, from what, by whom."""
import signal
import subprocess

import pytest

from build_base import buildah, fake_docker, python_image, wheel  # noqa: F401 (fixtures)
from cloud import REGION
from conftest import PATIENCE, wait_for_file
from push_runs import Pusher
from registries import Commits, files_of, skopeo, unpack

CONFIG = "version: 1\ncommand: [python3, train.py]\n"


@pytest.fixture
def build(branchline, tmp_path):
    return Pusher(branchline, tmp_path / "home")


@pytest.fixture
def by_buildah(build, buildah):  # noqa: F811
    build.env |= buildah
    return build


def commit_of(tmp_path, image, files):
    commits = Commits(tmp_path / "repo")
    commits.commit({"branchline.yaml": f"{CONFIG}image: {{{image}}}\n", "train.py": "import greeting\n"} | files)
    return commits


def pulled(place, tag, tmp_path, name="pulled"):
    skopeo("copy", f"docker://{place}:{tag}", f"oci:{tmp_path}/{name}:all", src=True)
    _, config, tars = unpack(tmp_path / name, "all")
    return config, files_of(tars)


def module_of(found):
    """The bytes of the one greeting.py that is installed."""
    module, = [path for path in found if path.endswith("-packages/greeting.py")]
    return found[module][2]


def was_built(pushed):
    return "building the base" in pushed.stderr


def test_requirements_become_a_base_once(by_buildah, python_image, registry_v3, tmp_path):  # noqa: F811
    needs = "--no-index\n--find-links wheels\n"
    commits = commit_of(tmp_path, f'base: "{python_image}", requirements: needs/requirements.txt', {
        "needs/requirements.txt": f"{needs}greeting==1.0 # ours\n",
        "needs/wheels/greeting-1.0-py3-none-any.whl": wheel("greeting", "1.0", "word = 'hello'\n"),
        "needs/wheels/greeting-2.0-py3-none-any.whl": wheel("greeting", "2.0", "word = 'again'\n")})
    to = f"{registry_v3}/from-requirements"

    first = by_buildah(commits, to, timeout=300)
    assert was_built(first)
    config, found = pulled(to, commits.sha(), tmp_path)
    assert module_of(found) == b"word = 'hello'\n"
    assert found["opt/ml/code/train.py"][2] == b"import greeting\n", "packages are a layer below the code"
    compiled, = [path for path in found if "/greeting." in path and path.endswith(".pyc")]
    assert found[compiled][2][4] & 1, "byte code is checked by content: times are made equal"
    assert config["config"]["Entrypoint"] == ["/opt/branchline/bin/branchline-runner", "exec"]
    assert config["config"].get("User", "") == "", "who the base runs as is the base's to say"

    commits.commit({"train.py": "import greeting # more\n"})
    second = by_buildah(commits, to)
    assert not was_built(second) and second["base_digest"] == first["base_digest"]

    commits.commit({"needs/requirements.txt": f"{needs}greeting==2.0\n"})
    third = by_buildah(commits, to, timeout=300)
    assert was_built(third) and third["base_digest"] != first["base_digest"]
    assert module_of(pulled(to, commits.sha(), tmp_path, "again")[1]) == b"word = 'again'\n"


def test_a_dockerfile_sees_the_commit_less_what_is_ignored(by_buildah, registry_v3, tmp_path):
    commits = commit_of(tmp_path, "dockerfile: docker/base.Dockerfile, context: ctx", {
        "docker/base.Dockerfile": "FROM scratch\nCOPY . /data/\n",
        "docker/base.Dockerfile.dockerignore": "**/*.log\nout/*\n!out/kept\n",
        "ctx/.dockerignore": "*\n", "ctx/a.txt": "a", "ctx/sub/x.log": "no", "ctx/out/gone": "no",
        "ctx/out/kept": "yes", "ctx/link": "-> a.txt", "ctx/run.sh": "#!/bin/sh\n", "elsewhere": "no"})
    (commits.path / "ctx" / "run.sh").chmod(0o755)
    (commits.path / "ctx" / "untracked").write_text("no")
    commits.git("add", "ctx/run.sh")
    commits.git("commit", "-q", "--amend", "--no-edit")
    to = f"{registry_v3}/from-dockerfile"
    assert was_built(by_buildah(commits, to))
    found = pulled(to, commits.sha(), tmp_path)[1]
    data = {path[5:]: value for path, value in found.items() if path.startswith("data/") and value[0] != "d"}
    assert data == {".dockerignore": ("f", 0, b"*\n"), "a.txt": ("f", 0, b"a"), "out/kept": ("f", 0, b"yes"),
                    "link": ("l", 0, "a.txt"), "run.sh": ("f", 0o111, b"#!/bin/sh\n")}

    (commits.path / "ctx" / "untracked").unlink()
    commits.commit({"ctx/sub/x.log": "changed", "elsewhere": "changed"})
    assert not was_built(by_buildah(commits, to)), "what cannot be copied is no input"
    commits.commit({"ctx/a.txt": "changed"})
    assert was_built(by_buildah(commits, to))


def test_a_build_that_fails_says_what_failed(by_buildah, python_image, registry_v3, tmp_path):  # noqa: F811
    commits = commit_of(tmp_path, "dockerfile: Dockerfile", {
        ".dockerignore": "*\n", "Dockerfile": f"FROM {python_image}\nRUN echo before-it-fails; exit 3\n"})
    failed = by_buildah(commits, f"{registry_v3}/failing", ok=False)
    assert failed.code == 2 and "before-it-fails" in failed.stderr, "the builder's own output is there"
    last = failed.stderr.splitlines()[-1]
    assert "the build failed" in last and "exit status 3" in last


@pytest.mark.parametrize("files, said", [
    ({}, "'Dockerfile' is not in the commit"),
    ({"docker/Dockerfile": "FROM scratch\n"}, "did you mean 'docker/Dockerfile'"),
    ({"Dockerfile": "FROM scratch\n", "big": "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"},
     "Git LFS (big)"),
    ({"Dockerfile": "FROM scratch\n", ".dockerignore": "[a\n"}, ".dockerignore:1: a '[' without its ']'"),
])
def test_bad_input_is_named(build, tmp_path, files, said, fake_docker):  # noqa: F811
    build.env |= fake_docker.env
    commits = commit_of(tmp_path, "dockerfile: Dockerfile", files)
    failed = build(commits, f"oci:{tmp_path}/out", ok=False)
    assert failed.code == 2 and said in failed.stderr, failed.stderr


def test_docker_builds_by_an_instance_of_its_own(build, tmp_path, fake_docker):  # noqa: F811
    build.env |= fake_docker.env
    commits = commit_of(tmp_path, "dockerfile: Dockerfile", {"Dockerfile": "FROM scratch\nCOPY . /\n"})
    pushed = build(commits, f"oci:{tmp_path}/out")
    assert "no .dockerignore" in pushed.stderr
    files = files_of(unpack(tmp_path / "out", commits.sha())[2])
    assert files["opt/ml/code/train.py"] and files["built/by"][2] == b"docker"
    steps = [call for call in fake_docker.calls() if call[:1] == ["buildx"] and call[1] in ("create", "build", "rm")]
    assert [step[1] for step in steps] == ["create", "build", "rm"]
    name = steps[0][steps[0].index("--name") + 1]
    assert steps[1][steps[1].index("--builder") + 1] == name and steps[2][-1] == name
    assert {"--provenance=false", "--sbom=false"} <= set(steps[1])
    assert not [word for word in steps[1] if word.startswith("--cache")], "no registry, no cache there"
    assert sorted(fake_docker.context()) == ["Dockerfile", "branchline.yaml", "train.py"]


def test_dockers_instance_in_use_is_taken(build, tmp_path, fake_docker):  # noqa: F811
    build.env |= fake_docker.env | {"FAKE_DRIVER": "docker-container"}
    commits = commit_of(tmp_path, "dockerfile: Dockerfile", {"Dockerfile": "FROM scratch\n"})
    build(commits, f"oci:{tmp_path}/out")
    verbs = [call[1] for call in fake_docker.calls() if call[0] == "buildx"]
    assert "build" in verbs and not {"create", "rm"} & set(verbs)


def test_a_build_from_ecr_is_logged_in(build, tmp_path, fake_docker, peer):  # noqa: F811
    ecr = f"111122223333.dkr.ecr.{REGION}.amazonaws.com"
    build.env |= {**peer.env(), **fake_docker.env, "TMPDIR": str(tmp_path)}
    commits = commit_of(tmp_path, "dockerfile: Dockerfile", {
        ".dockerignore": "*\n", "Dockerfile": f"FROM {ecr}/team/base@sha256:{'0' * 64}\nFROM localhost:5000/x:1\n"})
    build(commits, f"oci:{tmp_path}/out")
    (registry, login), = fake_docker.logins().items()
    assert registry == ecr and login.startswith("AWS:") and len(login) > len("AWS:")
    assert login.split(":", 1)[1] not in str(fake_docker.calls()), "a password is never an argument"
    assert not list(tmp_path.glob("branchline-build-*")), "nor does it stay in a file"


def test_a_failed_docker_build_leaves_no_instance(build, tmp_path, fake_docker):  # noqa: F811
    build.env |= fake_docker.env | {"FAKE_SAYS": "Dockerfile:2\\nERROR: failed to solve: exit code: 1"}
    commits = commit_of(tmp_path, "dockerfile: Dockerfile", {"Dockerfile": "FROM scratch\nRUN false\n"})
    failed = build(commits, f"oci:{tmp_path}/out", ok=False)
    assert failed.code == 2
    assert "the build failed at line 2: ERROR: failed to solve: exit code: 1" in failed.stderr
    assert fake_docker.calls()[-1][:2] == ["buildx", "rm"]


def test_a_stop_ends_the_builder_and_cleans_up(build, tmp_path, fake_docker):  # noqa: F811
    begun = tmp_path / "begun"
    build.env |= fake_docker.env | {"FAKE_HANGS": str(begun), "TMPDIR": str(tmp_path)}
    commits = commit_of(tmp_path, "dockerfile: Dockerfile", {"Dockerfile": "FROM scratch\n"})
    program = subprocess.Popen([build.program, "push-image", "--to", f"oci:{tmp_path}/out"], cwd=commits.path,
                               env=build.environ({}), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_for_file(begun)
    program.send_signal(signal.SIGINT)
    _, said = program.communicate(timeout=PATIENCE)
    assert program.returncode == 5, said
    assert fake_docker.calls()[-1][:2] == ["buildx", "rm"]
    assert not list(tmp_path.glob("branchline-build-*")), "nothing of the build is left"


@pytest.mark.parametrize("env, said", [
    ({"PATH": "/nonexistent"}, "neither buildah nor docker is in PATH"),
    ({"BRANCHLINE_BUILDER": "kaniko"}, "only buildah and docker are known"),
    ({"BRANCHLINE_BUILDER": "docker", "FAKE_DAEMON": "off"}, "its daemon or buildx does not answer"),
])
def test_without_a_builder_it_says_what_to_install(build, tmp_path, env, said, fake_docker):  # noqa: F811
    build.env |= {**fake_docker.env, "BRANCHLINE_BUILDER": "", **env}
    commits = commit_of(tmp_path, "dockerfile: Dockerfile", {"Dockerfile": "FROM scratch\n"})
    failed = build(commits, f"oci:{tmp_path}/out", ok=False)
    assert failed.code == 2 and said in failed.stderr and "apt-get install buildah" in failed.stderr

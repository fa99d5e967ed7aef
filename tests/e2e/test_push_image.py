# SPDX-License-Identifier: Apache-2.0
"""push-image: a commit on a base, in real registries and layouts."""
import json
import os
import subprocess

import pytest

from registries import (BASE_LAYERS, Layout, base_in, docker_login, files_of, find_tool, skopeo, tar_of,
                        unpack)

SOAK = os.environ.get("SOAK") == "1"


def root_of(tars):
    return files_of(tars)


def code_of(tars):
    """What is below /opt/ml/code, as from the repository's root."""
    prefix = "opt/ml/code/"
    return {path[len(prefix):]: value for path, value in root_of(tars).items() if path.startswith(prefix)}


def assert_empty(layout):
    """Nothing half-written: no image, no blob."""
    assert not (layout / "index.json").exists() or json.loads((layout / "index.json").read_text())["manifests"] == []
    assert not [path for path in layout.rglob("*") if path.is_file() and len(path.name) == 64]


def layout_with_base(tmp_path, name="base"):
    layout = Layout(tmp_path / name)
    layout.image("base", BASE_LAYERS)
    return f"oci:{layout.path}:base"


@pytest.mark.sample
def test_the_image_is_the_commit_on_the_base(push, repo, tmp_path):
    pushed = push(repo, f"oci:{tmp_path}/out", "--tag", "v1", base=layout_with_base(tmp_path))
    manifest, config, tars = unpack(tmp_path / "out", repo.sha())
    assert unpack(tmp_path / "out", "v1")[0] == manifest
    assert code_of(tars) == repo.archive(), "to the byte what git archive gives"
    rest = {path: value for path, value in root_of(tars).items() if not path.startswith("opt/ml/code")}
    base = {path: value for path, value in files_of([tar_of(files) for files in BASE_LAYERS]).items()
            if not path.startswith("opt/ml/code")}
    assert {path: rest[path] for path in base} == base
    ours = set(rest) - set(base)
    assert ours == {"opt/branchline", "opt/branchline/bin", "opt/branchline/bin/branchline-runner",
                    "opt/branchline/exec.json"}
    assert rest["opt/branchline/bin/branchline-runner"][1] == 0o111
    assert config["config"]["Entrypoint"] == ["/opt/branchline/bin/branchline-runner", "exec"]
    assert "Cmd" not in config["config"] and config["config"]["Env"] == ["PATH=/usr/bin:/bin"]
    assert config["config"]["Labels"]["org.opencontainers.image.revision"] == repo.sha()
    assert config["created"] == "2023-11-14T22:13:20Z", "the commit's time"
    assert manifest["annotations"]["org.opencontainers.image.base.digest"] == pushed["base_digest"]
    told = json.loads(rest["opt/branchline/exec.json"][2])
    assert told["command"] == ["python3", "train.py"] and told["hyperparameters"] == {"lr": 0.1}


def test_the_same_tree_is_the_same_layer_everywhere(push, repo, tmp_path):
    base = layout_with_base(tmp_path)
    first = push(repo, f"oci:{tmp_path}/a", base=base)
    repo.git("commit", "-q", "--allow-empty", "-m", "same tree, other commit")
    (repo.path / "untracked").write_text("not in the commit")
    (repo.path / "train.py").write_text("not committed")
    second = push(repo, f"oci:{tmp_path}/b", base=base, env={"TMPDIR": str(tmp_path), "TZ": "Asia/Tokyo"})
    assert [layer["digest"] for layer in first["layers"]] == [layer["digest"] for layer in second["layers"]]
    assert first["digest"] != second["digest"], "another commit, another image"
    again = push(repo, f"oci:{tmp_path}/c", "--commit", "HEAD~1", base=base)
    assert again["digest"] == first["digest"]


def test_where_a_base_lies_on_disk_is_nobodys_business(push, repo, tmp_path):
    digests = set()
    for name in ("here", "there"):
        pushed = push(repo, f"oci:{tmp_path}/{name}-out", base=layout_with_base(tmp_path, name))
        manifest = unpack(tmp_path / f"{name}-out", repo.sha())[0]
        assert "org.opencontainers.image.base.name" not in manifest["annotations"]
        digests.add(pushed["digest"])
    assert len(digests) == 1


def test_a_clone_without_history_or_work_tree_is_enough(push, repo, tmp_path):
    base, url = layout_with_base(tmp_path), f"file://{repo.path}"
    repo.commit({"more": "1"})
    want = push(repo, f"oci:{tmp_path}/a", base=base)["layers"]
    for name, words in (("shallow", ["--depth", "1"]), ("bare", ["--bare"])):
        repo.git("clone", "-q", *words, url, str(tmp_path / name))
        got = push(tmp_path / name, f"oci:{tmp_path}/{name}-out", base=base)["layers"]
        assert got == want
    repo.git("config", "uploadpack.allowFilter", "true")
    repo.git("clone", "-q", "--no-checkout", "--filter=blob:none", url, str(tmp_path / "partial"))
    pushed = push(tmp_path / "partial", f"oci:{tmp_path}/p", base=base, ok=False)
    assert pushed.code == 2 and "git fetch --refetch --no-filter" in pushed.stderr


def test_a_commit_that_is_not_in_the_clone(push, repo, tmp_path):
    pushed = push(repo, f"oci:{tmp_path}/o", "--commit", "1" * 40, base=layout_with_base(tmp_path), ok=False)
    assert pushed.code == 2 and "not in this clone" in pushed.stderr and "git fetch origin" in pushed.stderr


# --- What is left out, and what is refused ------------------------------------------------------------


def test_ignored_and_outside_of_the_context(push, repo, tmp_path):
    repo.commit({".branchlineignore": "*.log\n/docs/\nbig/*\n!big/keep\n", "a.log": "1", "docs/x": "1",
                 "src/docs/y": "1", "big/one": "1", "big/keep": "1", "src/train.py": "1"})
    push(repo, f"oci:{tmp_path}/o:x", base=layout_with_base(tmp_path))
    names = set(code_of(unpack(tmp_path / "o", "x")[2]))
    assert {"big/keep", "src/docs/y", "src/train.py"} <= names
    assert not {"a.log", "docs", "docs/x", "big/one"} & names
    push(repo, f"oci:{tmp_path}/o:y", "--image-context", "src", base=layout_with_base(tmp_path, "base2"))
    assert set(code_of(unpack(tmp_path / "o", "y")[2])) == {"src", "src/docs", "src/docs/y", "src/train.py"}
    pushed = push(repo, f"oci:{tmp_path}/o", "--image-context", "nowhere", base=f"oci:{tmp_path}/base:base", ok=False)
    assert pushed.code == 2 and "no directory 'nowhere'" in pushed.stderr


def test_submodules_and_pointers_are_named_with_the_cure(push, repo, tmp_path):
    base = layout_with_base(tmp_path)
    repo.put({"w.bin": "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 5\n"})
    repo.git("update-index", "--add", "--cacheinfo", "160000," + "1" * 40 + ",third/party")
    repo.git("add", "w.bin")
    repo.git("commit", "-q", "-m", "m")
    pushed = push(repo, f"oci:{tmp_path}/o", base=base, ok=False)
    assert pushed.code == 2 and "1 submodule (third/party)" in pushed.stderr
    repo.put({".branchlineignore": "third\n"})
    repo.git("add", ".branchlineignore")
    repo.git("commit", "-q", "-m", "m")
    pushed = push(repo, f"oci:{tmp_path}/o", base=base, ok=False)
    assert pushed.code == 2 and "1 file of Git LFS (w.bin)" in pushed.stderr and "data:" in pushed.stderr
    assert_empty(tmp_path / "o")


def evil_tree(repo, name, kind="100644"):
    """A commit with a name that git itself would not write."""
    blob = repo.git("hash-object", "-w", "--stdin", input=b"evil").decode().strip()
    raw = f"{kind} {name}".encode() + b"\0" + bytes.fromhex(blob)
    tree = repo.git("hash-object", "-t", "tree", "-w", "--stdin", "--literally", input=raw).decode().strip()
    return repo.git("commit-tree", tree, "-m", "evil").decode().strip()


@pytest.mark.parametrize("name", ["..", ".", ".git", ".wh.x"])
def test_names_that_could_leave_their_place(push, repo, tmp_path, name):
    commit = evil_tree(repo, name)
    pushed = push(repo, f"oci:{tmp_path}/o", "--commit", commit, base=layout_with_base(tmp_path), ok=False)
    assert pushed.code == 2 and f"'{name}'" in pushed.stderr
    assert_empty(tmp_path / "o")


def test_code_that_is_baked_in_is_left_alone(push, repo, tmp_path):
    push(repo, f"oci:{tmp_path}/o:x", "--image-code", "baked", base=layout_with_base(tmp_path))
    tars = unpack(tmp_path / "o", "x")[2]
    assert set(code_of(tars)) == {"stale.py"} and "opt/branchline/exec.json" in root_of(tars)


def test_bad_input_is_one_line(push, repo, tmp_path):
    base = layout_with_base(tmp_path)
    for words, want in (([], "image.base is not set"), (["--image-base", "a/B"], "upper case"),
                        (["--image-base", "https://h/x"], "without the scheme"),
                        (["--image-base", f"oci:{tmp_path}/none"], "none"),
                        (["--image-base", base, "--tag", "a b"], "no tag"),
                        (["--image-base", base, "--at-once", "99"], "--at-once"),
                        (["--image-base", base, "--platform", "linux/arm64"], "made for linux/amd64"),
                        (["--image-base", base, "--commit", "HEAD:x"], "not the name of a commit")):
        pushed = push(repo, f"oci:{tmp_path}/o", *words, ok=False)
        assert pushed.code == 2 and want in pushed.stderr, pushed.stderr
        assert pushed.stderr.count("\n") == 1, pushed.stderr
    assert_empty(tmp_path / "o")


def test_a_registry_that_is_not_there(push, repo):
    """Its own line: the base's name is not what is wrong."""
    pushed = push(repo, "localhost:1/demo", base="localhost:1/base", ok=False)
    assert pushed.code == 75 and "whether the registry is up" in pushed.stderr
    assert "image.base" not in pushed.stderr and pushed.stderr.count("\n") == 1


# --- Platforms ------------------------------------------------------------------------------------------


def test_the_platform_is_asked_for(push, repo, tmp_path):
    layout = Layout(tmp_path / "base")
    layout.index("base", arm64=layout.manifest(BASE_LAYERS, "arm64"), amd64=layout.manifest(BASE_LAYERS[:1]))
    base = f"oci:{layout.path}:base"
    push(repo, f"oci:{tmp_path}/o:amd", base=base)
    push(repo, f"oci:{tmp_path}/o:arm", "--platform", "linux/arm64", base=base)
    assert unpack(tmp_path / "o", "amd")[1]["architecture"] == "amd64", "the default is not this machine's"
    assert unpack(tmp_path / "o", "arm")[1]["architecture"] == "arm64"
    pushed = push(repo, f"oci:{tmp_path}/o", "--platform", "linux/riscv64", base=base, ok=False)
    assert "linux/arm64, linux/amd64" in pushed.stderr


def test_a_docker_base_becomes_an_oci_image(push, repo, tmp_path):
    layout = Layout(tmp_path / "base")
    layout.image("base", BASE_LAYERS, docker=True)
    push(repo, f"oci:{tmp_path}/o:x", base=f"oci:{layout.path}:base")
    manifest = unpack(tmp_path / "o", "x")[0]
    assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert {layer["mediaType"] for layer in manifest["layers"]} == {"application/vnd.oci.image.layer.v1.tar+gzip"}


# --- Real registries ------------------------------------------------------------------------------------


def check_with_others(place, creds, tmp_path, repo):
    """Pulled back by skopeo; crane finds nothing."""
    skopeo("copy", f"docker://{place}:{repo.sha()}", f"oci:{tmp_path}/back:x", src=True, creds=creds)
    assert code_of(unpack(tmp_path / "back", "x")[2]) == repo.archive()


@pytest.mark.sample
def test_debians_registry_with_a_password(push, repo, tmp_path, debian_registry):
    place, creds = f"{debian_registry}/team/demo", "tester:a pass:word"
    layout = Layout(tmp_path / "base")
    layout.image("base", BASE_LAYERS)
    skopeo("copy", f"oci:{layout.path}:base", f"docker://{place}:base", dest=True, creds=creds)
    denied = push(repo, place, base=f"{place}:base", ok=False)
    assert denied.code == 4 and "docker login" in denied.stderr
    push.env.update(docker_login(tmp_path / "docker", debian_registry))
    first = push(repo, place, "--tag", "latest", base=f"{place}:base")
    assert first.how() == {"base": ["there", "there"], "runner": "sent", "code": "sent"}
    again = push(repo, place, base=f"{place}:base")
    assert again["unchanged"] and again["requests"] == 2 and again["pushed_bytes"] == 0
    assert again["digest"] == first["digest"]
    repo.commit({"train.py": "print('one line more')\n"})
    third = push(repo, place, base=f"{place}:base")
    assert third["requests"] <= 12 and third.how()["runner"] == "there" and third.how()["code"] == "sent"
    check_with_others(place, creds, tmp_path, repo)


def test_the_distribution_registry_and_crane(push, repo, tmp_path, registry_v3):
    place = f"{registry_v3}/{tmp_path.name.replace('_', '-')}/demo"
    base_in(f"{place}-base", tmp_path)
    mounted = push(repo, place, base=f"{place}-base:base")
    assert mounted.how() == {"base": ["mounted", "mounted"], "runner": "sent", "code": "sent"}
    check_with_others(place, None, tmp_path, repo)
    crane = find_tool("crane")
    done = subprocess.run([crane, "validate", "--remote", f"{place}:{repo.sha()}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    digest = subprocess.run([crane, "digest", f"{place}:{repo.sha()}"], capture_output=True, text=True).stdout
    assert digest.strip() == mounted["digest"]


def test_from_one_registry_to_another(push, repo, tmp_path, registry_v3, debian_registry):
    name = tmp_path.name.replace("_", "-")
    base = base_in(f"{registry_v3}/{name}/base", tmp_path)
    push.env.update(docker_login(tmp_path / "docker", debian_registry))
    pushed = push(repo, f"{debian_registry}/{name}", base=f"{registry_v3}/{name}/base@{base}")
    assert pushed.how()["base"] == ["sent", "sent"] and pushed["base_digest"] == base
    check_with_others(f"{debian_registry}/{name}", "tester:a pass:word", tmp_path, repo)


def test_many_files(push, repo, tmp_path):
    """50,000 in make soak, 2,000 here."""
    n = 50000 if SOAK else 2000
    repo.commit({f"d{k % 97}/f{k}.txt": f"{k}\n" * 20 for k in range(n)})
    pushed = push(repo, f"oci:{tmp_path}/o:x", base=layout_with_base(tmp_path))
    assert code_of(unpack(tmp_path / "o", "x")[2]) == repo.archive()
    assert pushed["layers"][-1]["part"] == "code"

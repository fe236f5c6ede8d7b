#!/usr/bin/python3
"""Packs layers into a docker-archive that containerd imports.

    pack.py OUT.tar NAME:TAG CONFIG.json LAYER.tar...

CONFIG.json is the image's `config` object (Env, Cmd, User, ...). Layers are uncompressed tar
files, lowest first. The same input gives the same image, byte for byte.
"""

import hashlib
import io
import json
import os
import pathlib
import sys
import tarfile

CREATED = "1970-01-01T00:00:00Z"


def digest_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def add_bytes(archive, name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def main():
    out, reference, config_path, *layers = sys.argv[1:]
    digests = [digest_of(layer) for layer in layers]
    config = json.dumps({
        "architecture": "amd64",
        "os": "linux",
        "created": CREATED,
        "config": json.loads(pathlib.Path(config_path).read_text()),
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{d}" for d in digests]},
        "history": [{"created": CREATED, "created_by": "dev/images/build"} for _ in layers],
    }, sort_keys=True).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = [{"Config": config_name, "RepoTags": [reference],
                 "Layers": [f"{d}/layer.tar" for d in digests]}]
    temporary = out + ".new"
    with tarfile.open(temporary, "w") as archive:
        add_bytes(archive, "manifest.json", json.dumps(manifest).encode())
        add_bytes(archive, config_name, config)
        for layer, digest in zip(layers, digests):
            archive.add(layer, f"{digest}/layer.tar", filter=anonymous)
    os.rename(temporary, out)


def anonymous(info):
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    return info


if __name__ == "__main__":
    main()

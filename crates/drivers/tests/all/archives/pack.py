"""Packs a directory as Python's own library does: pack.py FORMAT DIRECTORY ARCHIVE."""

import os
import stat
import sys
import tarfile
import zipfile

TAR = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def paths(directory):
    for parent, directories, files in os.walk(directory):
        directories.sort()
        for name in sorted(directories + files):
            path = os.path.join(parent, name)
            yield path, os.path.relpath(path, directory)


def pack_tar(kind, compression, directory, archive):
    with tarfile.open(archive, "w:" + compression, format=TAR[kind]) as tar:
        for path, name in paths(directory):
            tar.add(path, name, recursive=False)


class Stream:
    """Cannot seek, so that sizes must follow the content."""

    def __init__(self, file):
        self.file = file

    def write(self, data):
        return self.file.write(data)

    def flush(self):
        self.file.flush()


def pack_zip(method, archive, directory, streamed, large):
    with open(archive, "wb") as file:
        target = Stream(file) if streamed else file
        with zipfile.ZipFile(target, "w", method) as packed:
            for path, name in paths(directory):
                add(packed, path, name, method, large)


def add(packed, path, name, method, large):
    mode = os.lstat(path).st_mode
    info = zipfile.ZipInfo(name + "/" if stat.S_ISDIR(mode) else name)
    info.create_system = 3
    info.external_attr = mode << 16
    info.compress_type = method
    if stat.S_ISDIR(mode):
        packed.writestr(info, b"")
    elif stat.S_ISLNK(mode):
        packed.writestr(info, os.readlink(path))
    else:
        with open(path, "rb") as source, packed.open(info, "w", force_zip64=large) as target:
            target.write(source.read())


def main():
    kind, directory, archive = sys.argv[1:]
    if kind.startswith("zip"):
        method = zipfile.ZIP_STORED if "stored" in kind else zipfile.ZIP_DEFLATED
        pack_zip(method, archive, directory, "streamed" in kind, "large" in kind)
    else:
        kind, _, compression = kind.partition("-")
        pack_tar(kind, compression, directory, archive)


main()

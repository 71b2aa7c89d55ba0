"""Files of the lake in a folder or on `s3://`: listed, read and written through one filesystem."""

# pyarrow and deltalake ship no types, so what comes from them is unknown to the checker.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow.fs as pafs

from aurora.errors import Refused

PROBE = "_aurora_probe"


@dataclass(frozen=True)
class Storage:
    """The place under which every table of one lake lies.

    Attributes:
        uri: A folder's path or `s3://bucket/prefix`.
        filesystem: Reaches that place; its root is the lake's root.
        options: What Delta needs to reach the same place.
    """

    uri: str
    filesystem: pafs.FileSystem
    options: dict[str, str]

    @property
    def is_local(self) -> bool:
        """Whether files can be opened by their path on this machine."""
        return "://" not in self.uri

    def table_uri(self, name: str) -> str:
        """Address of the table `name` for Delta."""
        return f"{self.uri.rstrip('/')}/{name}"

    def read_bytes(self, path: str) -> bytes:
        """Whole content of the file at `path` under the root. Raises FileNotFoundError."""
        with self.filesystem.open_input_stream(path) as stream:
            return stream.read()

    def open_read(self, path: str) -> BinaryIO:
        """The file at `path` under the root, to be read from its beginning. Raises FileNotFoundError."""
        return self.filesystem.open_input_stream(path)

    def paths(self, folder: str) -> dict[str, int]:
        """Every file below `folder`, by its path under the root, and its size; none where there is no such folder. [bytes]"""
        selector = pafs.FileSelector(folder, recursive=True, allow_not_found=True)
        return {info.path: info.size or 0 for info in self.filesystem.get_file_info(selector) if info.type == pafs.FileType.File}

    def is_empty(self) -> bool:
        """Whether nothing lies under the root but what `open_storage` itself leaves in a bucket."""
        return not set(self.paths("")) - {PROBE}

    def write_bytes(self, path: str, content: bytes | memoryview) -> None:
        """Put a whole file at `path` under the root."""
        if self.is_local:
            self.filesystem.create_dir(path.rpartition("/")[0], recursive=True)
        with self.filesystem.open_output_stream(path) as stream:
            stream.write(content)

    def sync(self, path: str) -> None:
        """Have the file at `path` and its name on disk before this returns; a bucket has by itself."""
        if not self.is_local:
            return
        file = Path(self.uri) / path
        for target in (file, file.parent):
            descriptor = os.open(target, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def local_paths(self, paths: Sequence[str], scratch: Path) -> list[str]:
        """Paths on this machine of the files `paths`; those of a bucket are fetched into `scratch` once."""
        if self.is_local:
            return [f"{self.uri}/{path}" for path in paths]
        fetched = []
        for path in paths:
            target = scratch / path.replace("/", "__")
            if not target.exists():
                scratch.mkdir(parents=True, exist_ok=True)
                partial = target.with_suffix(f".{os.getpid()}.part")
                partial.write_bytes(self.read_bytes(path))
                partial.replace(target)
            fetched.append(str(target))
        return fetched


def open_storage(uri: str) -> Storage:
    """The storage at `uri`.

    A bucket is reached with the usual `AWS_*` variables, `AWS_ENDPOINT_URL` for another server than Amazon's.

    Raises:
        Refused: If the address is of a kind Aurora cannot use, or the bucket cannot hold a lake safely.
    """
    if uri.startswith("s3://"):
        return _open_bucket(uri)
    if "://" in uri:
        raise Refused(f"AURORA_LAKE_URI={uri}: only a folder or s3://bucket/prefix can hold the lake.")
    Path(uri).mkdir(parents=True, exist_ok=True)
    return Storage(uri, pafs.SubTreeFileSystem(uri, pafs.LocalFileSystem()), {})


def _open_bucket(uri: str) -> Storage:
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    options = {"AWS_REGION": region}
    if endpoint:
        options |= {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": str(endpoint.startswith("http://")).lower()}
    scheme, _, host = endpoint.partition("://")
    s3 = pafs.S3FileSystem(region=region, **({"scheme": scheme, "endpoint_override": host} if endpoint else {}))
    root = uri.removeprefix("s3://").rstrip("/")
    storage = Storage(uri.rstrip("/"), pafs.SubTreeFileSystem(root, s3), options)
    _probe_conditional_put(root, endpoint, region)
    return storage


def _probe_conditional_put(root: str, endpoint: str, region: str) -> None:
    """Refuse a server that lets two writers win one key: Delta would lose commits there."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, prefix = root.partition("/")
    key = f"{prefix}/{PROBE}".lstrip("/")
    client = boto3.client("s3", endpoint_url=endpoint or None, region_name=region)
    try:
        client.put_object(Bucket=bucket, Key=key, Body=b"1")
        try:
            client.put_object(Bucket=bucket, Key=key, Body=b"2", IfNoneMatch="*")
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in {409, 412}:
                return
            raise
    except (BotoCoreError, ClientError) as error:
        raise Refused(f"The bucket {bucket} cannot be used ({error}). Check AURORA_LAKE_URI and the AWS_* variables.") from None
    raise Refused(f"The bucket {bucket} accepts two writers of one key, so commits could be lost. Use a server with conditional puts.")

"""Whether a pack is as it was made: its signature, and each of its files against the manifest."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from portal.books.packing import FORMAT, MANIFEST, PUBLIC_KEY, PURPOSE, SIGNATURE
from portal.core import signing_keys

# Nobody's manifest is larger: what claims to be is not read.
LARGEST_MANIFEST_BYTES: Final = 200_000_000
CHUNK_BYTES: Final = 1_000_000


class BadPack(ValueError):
    """The pack is not as it was made. The text names the first file that does not fit."""


def our_key() -> Ed25519PublicKey:
    """The one that signs."""
    return signing_keys.derived(PURPOSE).public_key()


def our_keys() -> list[Ed25519PublicKey]:
    """All whose signatures count: more than one while the secret key is being changed."""
    return [key.public_key() for key in signing_keys.accepted(PURPOSE)]


def key_from(pem: bytes) -> Ed25519PublicKey:
    """Raises ValueError for what is no public key of this kind."""
    key = load_pem_public_key(pem)
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 key")  # it was a key, only another kind of one
    return key


def verify(file: Path, *keys: Ed25519PublicKey) -> tuple[dict[str, Any], Ed25519PublicKey]:
    """The manifest of a pack that is whole and signed with one of these keys, and that one. Raises BadPack, OSError."""
    try:
        with zipfile.ZipFile(file) as pack:
            manifest, key = _signed_manifest(pack, keys)
            _check_names(pack, manifest)
            for entry in manifest["files"]:
                _check_file(pack, entry)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise BadPack(f"it is no ZIP, or a damaged one: {error}") from error
    return manifest, key


def _signed_manifest(
    pack: zipfile.ZipFile, keys: Sequence[Ed25519PublicKey]
) -> tuple[dict[str, Any], Ed25519PublicKey]:
    written, signature = _read(pack, MANIFEST), _read(pack, SIGNATURE)
    signer = next((key for key in keys if _has_signed(key, signature, written)), None)
    if signer is None:
        raise BadPack(_why_not_signed(pack, written, signature))
    manifest: dict[str, Any] = json.loads(written)  # ours: it is signed
    if manifest.get("format") != FORMAT:
        raise BadPack(f"{MANIFEST} is of a format that this release does not know")
    return manifest, signer


def _has_signed(key: Ed25519PublicKey, signature: bytes, written: bytes) -> bool:
    try:
        key.verify(signature, written)
    except InvalidSignature:
        return False
    return True


def _why_not_signed(pack: zipfile.ZipFile, written: bytes, signature: bytes) -> str:
    try:
        other = key_from(_read(pack, PUBLIC_KEY))
    except (BadPack, ValueError):
        other = None
    if other is None or not _has_signed(other, signature, written):
        return f"{MANIFEST} is not what was signed"
    return (
        f"{SIGNATURE} was made with another key, {signing_keys.fingerprint(other)}: is it one that this portal had before "
        f"its secret key was changed, pass its public half with --key"
    )


def _read(pack: zipfile.ZipFile, name: str) -> bytes:
    try:
        info = pack.getinfo(name)
    except KeyError as error:
        raise BadPack(f"{name} is missing") from error
    if info.file_size > LARGEST_MANIFEST_BYTES:
        raise BadPack(f"{name} is too large")
    return pack.read(info)


def _check_names(pack: zipfile.ZipFile, manifest: dict[str, Any]) -> None:
    listed = {entry["name"] for entry in manifest["files"]} | {MANIFEST, SIGNATURE}
    for name, number in Counter(pack.namelist()).items():
        if name not in listed:
            raise BadPack(f"{name} is not in {MANIFEST}")
        if number > 1:
            raise BadPack(f"{name} is there {number} times")


def _check_file(pack: zipfile.ZipFile, entry: dict[str, Any]) -> None:
    name = entry["name"]
    try:
        info = pack.getinfo(name)
    except KeyError as error:
        raise BadPack(f"{name} is missing") from error
    if info.file_size != entry["size"]:
        raise BadPack(f"{name} has {info.file_size} bytes instead of {entry['size']}")
    digest = hashlib.sha256()
    try:
        with pack.open(info) as opened:
            while chunk := opened.read(CHUNK_BYTES):
                digest.update(chunk)
    except zipfile.BadZipFile as error:
        raise BadPack(f"{name} is damaged") from error
    if digest.hexdigest() != entry["sha256"]:
        raise BadPack(f"{name} is not the one that was packed")

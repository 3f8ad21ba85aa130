"""Certificates of the parts of a cluster, by an authority that is forgotten once it has signed them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

AUTHORITY: Final = "ca.pem"
# Certificates end when new ones take their place: nobody can sign another one by the authority.
_FROM, _UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2120, 1, 1, tzinfo=UTC)


def write_certificates(folder: Path, parts: Sequence[str]) -> None:
    """``ca.pem``, and ``PART.pem`` and ``PART.key`` of every part. Raises FileExistsError for a folder that is there:
    a new authority does not know the old one's parts. A crash leaves no folder of that name."""
    made = folder.with_name(f"{folder.name}.new-{os.getpid()}")
    made.mkdir(mode=0o700, parents=True)
    signer = ec.generate_private_key(ec.SECP256R1())
    (made / AUTHORITY).write_bytes(_certificate("Hearth cluster", signer, signer))
    for part in parts:
        key = ec.generate_private_key(ec.SECP256R1())
        (made / f"{part}.pem").write_bytes(_certificate(part, key, signer))
        with open(os.open(made / f"{part}.key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            plain = serialization.NoEncryption()
            file.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    made.rename(folder)


def _certificate(part: str, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey) -> bytes:
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Hearth cluster")])
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, part)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
        .add_extension(x509.BasicConstraints(ca=key is signer, path_length=None), critical=True)
    )
    return made.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

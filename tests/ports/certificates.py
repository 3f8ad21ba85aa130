"""Certificates of a broker on localhost, by an authority of their own."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_FROM, _UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


class Certificates:
    """Files in PEM: of the ``authority``, and of a broker its ``certificate`` and ``key``."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.authority, self.certificate, self.key = (folder / name for name in ("ca.pem", "broker.pem", "broker.key"))
        own, broker = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        authority = _certificate("authority", own.public_key(), "authority", own, True)
        self.authority.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
        issued = _certificate("localhost", broker.public_key(), "authority", own, False)
        self.certificate.write_bytes(issued.public_bytes(serialization.Encoding.PEM))
        plain = serialization.NoEncryption()
        self.key.write_bytes(broker.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
        for path in (self.authority, self.certificate, self.key):
            path.chmod(0o644)  # mosquitto gives up being root before it reads them


def _certificate(
    name: str, key: ec.EllipticCurvePublicKey, issuer: str, signer: ec.EllipticCurvePrivateKey, authority: bool
) -> x509.Certificate:
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    )
    return made.sign(signer, hashes.SHA256())

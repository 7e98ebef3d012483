"""A folder in, a certificate for 127.0.0.1 that has signed itself out, with its key, in one file."""

import ipaddress
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

TODAY = datetime(2025, 1, 15)  # noqa: DTZ001 - certificates are dated so


def own_certificate(folder: Path) -> Path:
    """Make the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(TODAY)
        .not_valid_after(TODAY + timedelta(days=36_500))
        .add_extension(here, critical=False)
        .sign(key, hashes.SHA256())
    )
    form, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path = folder / "certificate.pem"
    path.write_bytes(key.private_bytes(form, serialization.PrivateFormat.PKCS8, plain) + signed.public_bytes(form))
    return path

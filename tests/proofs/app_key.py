"""The key of a GitHub App, made for a proof."""

from __future__ import annotations

from functools import cache


@cache
def app_key() -> tuple[str, str]:
    """The private key in the form that GitHub gives it (PKCS #1), and the public one."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form, pem = serialization.PrivateFormat.TraditionalOpenSSL, serialization.Encoding.PEM
    private = key.private_bytes(pem, form, serialization.NoEncryption())
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()

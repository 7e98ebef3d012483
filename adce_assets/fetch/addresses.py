"""A resolved address in, whether it is one of the internet out.

Names and their many ways of being written are not judged here: whatever was written, the system resolves it, and the
address that it resolves to is what is asked about and then connected to.
"""

import ipaddress

UNICAST = ipaddress.ip_network("2000::/3")
"""The only IPv6 addresses that are handed out: https://www.iana.org/assignments/ipv6-address-space"""

DISGUISES = tuple(
    ipaddress.ip_network(network)
    for network in (
        "::/96",
        "::ffff:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/23",
        "3fff::/20",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "168.63.129.16/32",
    )
)
"""Networks whose addresses carry or stand for another (mapped, NAT64, 6to4, Teredo, protocol assignments): a private
one could hide in there; with them documentation, and the address at which Azure serves its machines' metadata.
Source: IANA's special-purpose address registries."""


def is_public(address: str) -> bool:
    """Tell whether an address is one of the internet: not private, loopback, link-local, multicast or a disguise."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if any(parsed in network for network in DISGUISES):
        return False
    return parsed.is_global and not parsed.is_multicast and (parsed.version == 4 or parsed in UNICAST)  # noqa: PLR2004 - IPv4

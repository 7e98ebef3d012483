"""A resolved address in, whether it is one of the internet out.

Names and their many ways of being written are not judged here: whatever was written, the system resolves it, and the
address that it resolves to is what is asked about and then connected to.
"""

import ipaddress
import socket

UNICAST = ipaddress.ip_network("2000::/3")
"""The only IPv6 addresses that are handed out: https://www.iana.org/assignments/ipv6-address-space"""

DISGUISES = tuple(
    ipaddress.ip_network(network)
    for network in (
        "::/96",
        "::ffff:0:0/96",
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
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""Where a resolver puts the IPv4 addresses of the internet on a network that has IPv6 alone (DNS64): RFC 6052."""
CARRIED_LAST = (NAT64, *map(ipaddress.IPv6Network, ("::/96", "64:ff9b:1::/48")))
"""Networks whose addresses end with the IPv4 address that they carry."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


OWN_NAMES = ("localhost", "local", "internal", "intranet", "lan", "home.arpa")
"""Names, and ends of names, that no server of the internet has."""
METADATA = tuple(map(ipaddress.ip_network, ("169.254.0.0/16", "fd00:ec2::/32", "100.100.100.200/32")))
"""Where clouds serve the credentials of their machines, the last one Alibaba's; nobody's own server is there."""
METADATA_NAME = "metadata.google.internal"


def leads_inward(host: str, *, own: bool) -> bool:
    """Tell of a name or address that somebody names to us whether it is none of the internet; nothing is resolved.

    Args:
        host: The name or address, in whatever way it is written.
        own: Whether who names it is a server of our own, which may well name others of ours.
    """
    name = host.strip("[]").rstrip(".").lower()
    address = _address(name)
    if address is None:
        return name == METADATA_NAME or (not own and any(name == one or name.endswith(f".{one}") for one in OWN_NAMES))
    return not is_public(address) and (not own or _has_credentials(address))


def _has_credentials(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    return any(meant in network for meant in (parsed, *_carried(parsed)) for network in METADATA)


def _carried(address: Address) -> tuple[Address, ...]:
    """Name the IPv4 addresses that one of IPv6 carries and may be led to."""
    if address.version == 4:  # noqa: PLR2004 - IPv4
        return ()
    last = _last(address) if any(address in network for network in CARRIED_LAST) else None
    found = (address.ipv4_mapped, address.sixtofour, *(address.teredo or ()), last)
    return tuple(one for one in found if one is not None)


def _last(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(address.packed[-4:])


def _address(name: str) -> str | None:
    """Read an address as the system does, which takes numbers of many forms for one; None where it is none."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(name))
    except (OSError, UnicodeEncodeError):
        return None


def is_none(address: str) -> bool:
    """Tell whether it is the address that stands for none, by which resolvers that block names answer."""
    try:
        return ipaddress.ip_address(address).is_unspecified
    except ValueError:
        return False


def is_public(address: str) -> bool:
    """Tell whether an address is one of the internet: not private, loopback, link-local, multicast or a disguise.

    One of NAT64 is, if that is which it carries: networks that have IPv6 alone lead there, and nowhere else.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if parsed in NAT64 and parsed.version == 6:  # noqa: PLR2004 - IPv6
        return is_public(str(_last(parsed)))
    if any(parsed in network for network in DISGUISES):
        return False
    return parsed.is_global and not parsed.is_multicast and (parsed.version == 4 or parsed in UNICAST)  # noqa: PLR2004 - IPv4

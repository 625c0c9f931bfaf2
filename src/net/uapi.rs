//! Numbers of rtnetlink. From include/uapi/linux: rtnetlink.h, if_link.h, if_addr.h, netlink.h, if.h,
//! veth.h.

pub const RTM_NEWLINK: u16 = 16;
pub const RTM_DELLINK: u16 = 17;
pub const RTM_GETLINK: u16 = 18;
pub const RTM_NEWADDR: u16 = 20;
pub const RTM_NEWROUTE: u16 = 24;

pub const REPLACE: u16 = 0x100;
pub const DUMP: u16 = 0x300;
pub const CREATE: u16 = 0x400;
/// NLM_F_CREATE | NLM_F_EXCL: it must not be there.
pub const NEW: u16 = 0x600;

pub const IFF_UP: u32 = 1;

pub const IFLA_ADDRESS: u16 = 1;
pub const IFLA_IFNAME: u16 = 3;
pub const IFLA_MTU: u16 = 4;
pub const IFLA_LINK: u16 = 5;
pub const IFLA_MASTER: u16 = 10;
pub const IFLA_TXQLEN: u16 = 13;
pub const IFLA_LINKINFO: u16 = 18;
pub const IFLA_STATS64: u16 = 23;
pub const IFLA_GROUP: u16 = 27;
pub const IFLA_NET_NS_FD: u16 = 28;
pub const IFLA_PERM_ADDRESS: u16 = 54;

pub const IFLA_INFO_KIND: u16 = 1;
pub const IFLA_INFO_DATA: u16 = 2;
pub const IFLA_INFO_SLAVE_KIND: u16 = 4;
pub const IFLA_INFO_SLAVE_DATA: u16 = 5;
/// IFLA_VLAN_ID (u16), IFLA_MACVLAN_MODE (u32) and IFLA_IPVLAN_MODE (u16) are all the first of their
/// kind.
pub const FIRST: u16 = 1;
/// A struct ifinfomsg, and the attributes of the other end.
pub const VETH_INFO_PEER: u16 = 1;
pub const IFLA_BRPORT_MODE: u16 = 4;

pub const IFA_ADDRESS: u16 = 1;
pub const IFA_LOCAL: u16 = 2;
pub const IFA_F_NODAD: u8 = 2;

pub const RTA_DST: u16 = 1;
pub const RTA_OIF: u16 = 4;
pub const RTA_GATEWAY: u16 = 5;
pub const RTA_PREFSRC: u16 = 7;
pub const RT_TABLE_MAIN: u8 = 254;
pub const RTPROT_BOOT: u8 = 3;
pub const RT_SCOPE_UNIVERSE: u8 = 0;
pub const RT_SCOPE_LINK: u8 = 253;
pub const RTN_UNICAST: u8 = 1;
pub const RTNH_F_ONLINK: u32 = 4;

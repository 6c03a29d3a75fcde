//! The two addresses that the gateway listens on.

use std::net::{IpAddr, SocketAddr};

use super::ResolveReport;
use crate::file::ConfigFile;

/// The data port and the admin port.
pub(super) fn ports(file: &ConfigFile, report: &mut ResolveReport) -> (SocketAddr, SocketAddr) {
    let listen = file.listen.map_or(SocketAddr::from(([127, 0, 0, 1], 8080)), |address| address.0);
    let admin = file.admin.map_or(SocketAddr::from(([127, 0, 0, 1], 9464)), |address| address.0);
    if listen.port() != 0 && collide(listen, admin) {
        report.fault("admin", format!("collides with the data port, {listen}: the admin port needs its own"));
    }
    let open = file.open == Some(true);
    if file.clients.is_empty() && !open && !report.is_invalid("clients") && !is_loopback(listen.ip()) {
        report.fault(
            "listen",
            format!("{listen} is reachable from other machines and nobody needs a key: list `clients`, or say `open: true`"),
        );
    }
    if open && !file.clients.is_empty() {
        report.warn("open", "has no meaning beside `clients`: every request needs a key");
    } else if open && !is_loopback(listen.ip()) {
        report.warn("open", &format!("whoever reaches {listen} can spend your money"));
    }
    if !is_loopback(admin.ip()) {
        report.warn(
            "admin",
            "is reachable from other machines: whoever is there sees the metrics and the configuration",
        );
    }
    (listen, admin)
}

/// Whether an address cannot be reached from other machines.
pub(super) fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// Whether the two cannot both be listened on.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port() && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

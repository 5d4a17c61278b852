//! Who may reach what is listened on.

use std::net::SocketAddr;

use super::secrets::Lookup;
use crate::config::{file::File, problem::Findings};

/// What says that strangers are kept out, as it is written in the same section.
const SWITCH: &str = "allow_public";

/// Refuses to offer everybody the keys of the providers or the admin page, unless that was asked for; and two listeners at
/// one address.
pub(super) fn check(file: &File<'_>, admin_key: &Lookup, findings: &mut Findings<'_>) {
    let server = &file.server;
    let address = server.settings.listen;
    let has_key = !matches!(admin_key, Lookup::Unset);
    let has_clients = !file.clients.is_empty();
    let is_public = |address: SocketAddr| {
        !address.ip().to_canonical().is_loopback() && !server.settings.allow_public
    };
    let Some(admin) = file.admin.listen else {
        let lacks = match (has_clients, has_key) {
            (true, true) => return,
            (true, false) => "set the admin key",
            (false, true) => "add `[[clients]]`",
            (false, false) => "add `[[clients]]` and set the admin key",
        };
        if is_public(address) {
            let message = exposed(address, "your providers and the admin page", lacks, SWITCH);
            findings.problem(server.listen, "server.listen", message);
        }
        return;
    };
    if !has_clients && is_public(address) {
        let message = exposed(address, "your providers", "add `[[clients]]`", SWITCH);
        findings.problem(server.listen, "server.listen", message);
    }
    if !has_key && is_public(admin.value) {
        let message = exposed(
            admin.value,
            "the admin page",
            "set the admin key",
            "server.allow_public",
        );
        findings.problem(admin.origin, "admin.listen", message);
    }
    // Port 0 is another one each time.
    if admin.value == address && address.port() != 0 {
        let message = format!(
            "{address} is the address of `server.listen`; name another one, or leave this out to have the admin page there"
        );
        findings.problem(admin.origin, "admin.listen", message);
    }
}

fn exposed(address: SocketAddr, what: &str, lacks: &str, switch: &str) -> String {
    format!(
        "anybody who reaches {address} could use {what}; {lacks}, or listen on 127.0.0.1, or write \
         `{switch} = true` if something else guards it"
    )
}

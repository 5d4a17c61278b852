//! Who may see and do what at the admin's side.

mod attempts;
mod foreign;
mod keys;
mod listener;
mod log;
mod sessions;

use serde_json::{Value, json};

use crate::support::{
    client::{Ask, Reply},
    gateway::{Gateway, Setup},
};

const ADMIN: &str = "[admin]\nkey_env = \"ADMIN_KEY\"\n";
const KEY: &str = "sk-admin_key";
const SESSION: &str = "/admin/api/session";
/// Something to do that changes nothing.
const PURGE: &str = "/admin/api/cache/purge";

/// A gateway with an admin key.
async fn with_key() -> Gateway {
    Setup::new(ADMIN).start().await
}

/// A gateway without one.
async fn open() -> Gateway {
    Setup::new("").start().await
}

/// Asks to do something.
fn act(gateway: &Gateway) -> Ask {
    let body = json!({"everything": true, "dry_run": true});
    gateway.request("POST", PURGE, body.to_string())
}

/// Tries to sign in.
fn sign_in(gateway: &Gateway, key: &str) -> Ask {
    gateway.request("POST", SESSION, json!({"key": key}).to_string())
}

/// A session: what the browser sends as `Cookie`, and the token of its pages.
async fn session(gateway: &Gateway) -> (String, String) {
    let reply = sign_in(gateway, KEY).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let token = reply.json()["csrf"].as_str().unwrap().to_owned();
    (cookie(&reply), token)
}

fn cookie(reply: &Reply) -> String {
    let (pair, _) = reply.header("set-cookie").split_once(';').unwrap();
    pair.to_owned()
}

/// What a page is told before anything else.
async fn told(gateway: &Gateway, cookie: &str) -> Value {
    let ask = gateway.get(SESSION).header("cookie", cookie);
    ask.send().await.json()
}

#[track_caller]
fn assert_refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!(reply.status, status, "{}", reply.text());
    let error = reply.error();
    assert_eq!(error["code"], code, "{error}");
    assert!(error["type"].is_string(), "{error}");
    assert!(error["message"].as_str().unwrap().len() > 10, "{error}");
    assert!(error["param"].is_null(), "{error}");
    assert!(!reply.text().contains(KEY));
}

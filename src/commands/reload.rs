//! `corsair reload`: has a running process read its configuration anew.

use serde_json::Value;

use super::ask::ask;
use crate::config::ListenAddress;

/// What a reload came to.
#[derive(Debug, PartialEq, Eq)]
pub enum ReloadEnd {
    /// It is applied; in a line for people.
    Applied(String),
    /// It is refused, for all of this.
    Refused(Vec<String>),
}

/// Asks the process there to reload.
///
/// # Errors
/// In a line: why it cannot be asked.
pub fn reload(address: &ListenAddress) -> Result<ReloadEnd, String> {
    let answered = ask(address, "POST", "/reload")?;
    let body: Value = serde_json::from_slice(&answered.body).unwrap_or_default();
    if let Some(generation) = body["generation"].as_u64().filter(|_| answered.status == 200) {
        return Ok(ReloadEnd::Applied(format!("reloaded, generation {generation}\n")));
    }
    match body["faults"].as_array() {
        Some(faults) => {
            let told = faults.iter().map(|fault| fault.as_str().unwrap_or_default().to_owned());
            Ok(ReloadEnd::Refused(told.collect()))
        }
        None => Err(String::from_utf8_lossy(&answered.body).trim().to_owned()),
    }
}

//! What setup would do about the kernel's limits. Decides, and does nothing.

use super::{Found, Plan, Step};
use crate::cli::sysctl::{self, Limit, TooLow, Unkept};

/// Raises what is too low now, and keeps what the next boot would forget, as far as this user may.
pub(super) fn limits(plan: &mut Plan, found: &Found) {
    let (low, unkept) = (&found.limits.too_low, &found.limits.unkept);
    if !low.is_empty() && found.may_raise {
        plan.steps.push(Step::RaiseLimits(low.clone()));
    } else if !low.is_empty() {
        let names = names(low.iter().map(|low| low.limit));
        plan.remark(format!("{names} too low, and this user may not raise it: `sudo larm setup`"));
    }
    if !unkept.is_empty() && found.may_keep {
        plan.steps.push(Step::KeepLimits(unkept.clone()));
    } else if !unkept.is_empty() {
        let names = names(unkept.iter().map(|unkept| unkept.limit));
        plan.remark(format!(
            "{names} too low after the next boot, and {} cannot be written: `sudo larm setup`",
            sysctl::FILE
        ));
    }
    for overruled in &found.limits.overruled {
        plan.remark(overruled.advice());
    }
}

fn names(limits: impl Iterator<Item = Limit>) -> String {
    let names: Vec<&str> = limits.map(|limit| limit.name).collect();
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", names.join(", "))
}

pub(super) fn raise_text(low: &[TooLow]) -> String {
    let each = low
        .iter()
        .map(|low| format!("{} from {} to {}", low.limit.name, low.current, low.limit.good));
    let list: Vec<String> = each.collect();
    format!("raise {} for now", list.join(", "))
}

pub(super) fn keep_text(unkept: &[Unkept]) -> String {
    let each = unkept.iter().map(|unkept| format!("{} = {}", unkept.limit.name, unkept.value));
    let list: Vec<String> = each.collect();
    format!("write {} for the next boot: {}", sysctl::FILE, list.join(", "))
}

//! A service of the host: running or not, started at boot or not. systemd where it is PID 1, else the init scripts.

use futures::future::BoxFuture;

use super::{args, remote};
use crate::link::shell::quote;
use crate::model::catalog::{ActionSpec, Field, FieldKind, Others, Place, Touches};
use crate::port::action::{Action, ActionCx, ActionError, Args, Ended, Found, Outcome};

#[derive(Debug)]
pub(super) struct Step;

static SPEC: ActionSpec = ActionSpec {
    name: "service",
    fields: &[
        Field::required("name", FieldKind::Text),
        Field::optional("state", FieldKind::Word(&["started", "stopped", "restarted", "reloaded"])),
        Field::optional("enabled", FieldKind::Switch),
        Field::optional("daemon_reload", FieldKind::Switch),
    ],
    short: Some("name"),
    others: Others::Refused,
    touches: Touches::Target,
    place: Place::Host,
};

/// Shell lines that set `s` (systemd or init), `active` and `enabled`.
fn state(name: &str) -> String {
    format!(
        "n={}; if [ -d /run/systemd/system ]; then s=systemd; systemctl is-active -q \"$n\" && active=1 || active=0; \
         systemctl is-enabled -q \"$n\" 2>/dev/null && enabled=1 || enabled=0; systemctl cat \"$n\" >/dev/null 2>&1 || s=missing; \
         else s=init; enabled=unknown; [ -x \"/etc/init.d/$n\" ] || s=missing; \"/etc/init.d/$n\" status >/dev/null 2>&1 && active=1 || active=0; \
         if [ -d /etc/rc3.d ]; then ls /etc/rc[2345].d/S*\"$n\" >/dev/null 2>&1 && enabled=1 || enabled=0; fi; fi\n",
        quote(name)
    )
}

struct Wanted {
    name: String,
    state: Option<String>,
    enabled: Option<bool>,
    reload: bool,
}

impl Wanted {
    fn of(given: &Args) -> Result<Self, ActionError> {
        let wanted = Self {
            name: args::required(given, "name")?,
            state: args::text(given, "state"),
            enabled: args::switch(given, "enabled"),
            reload: args::switch(given, "daemon_reload").unwrap_or(false),
        };
        if wanted.state.is_none() && wanted.enabled.is_none() && !wanted.reload {
            return Err(ActionError::arguments(format!("service {}: neither `state` nor `enabled` says what it should be", wanted.name)));
        }
        Ok(wanted)
    }
}

impl Action for Step {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn check<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Found, ActionError>> {
        Box::pin(async move {
            let wanted = Wanted::of(given)?;
            let said = remote::look(cx, &format!("{}echo \"$s $active $enabled\"", state(&wanted.name))).await?;
            if !said.ok() {
                return Ok(said.unclear());
            }
            let mut words = said.stdout.split_whitespace();
            let (system, active, enabled) = (words.next().unwrap_or(""), words.next().unwrap_or(""), words.next().unwrap_or(""));
            if system == "missing" {
                return Ok(Found::unknown(format!("there is no service {} yet", wanted.name)));
            }
            let mut diff = Vec::new();
            match wanted.state.as_deref() {
                Some("started") if active != "1" => diff.push("-stopped\n+started"),
                Some("stopped") if active == "1" => diff.push("-started\n+stopped"),
                Some("restarted") => diff.push("+restarted"),
                Some("reloaded") => diff.push("+reloaded"),
                _ => {}
            }
            match wanted.enabled {
                Some(true) if enabled != "1" => diff.push("-disabled\n+enabled"),
                Some(false) if enabled == "1" => diff.push("-enabled\n+disabled"),
                _ => {}
            }
            if wanted.reload {
                diff.push("+daemon-reload");
            }
            Ok(if diff.is_empty() { Found::done() } else { Found::to_do().with_diff(diff.join("\n")) })
        })
    }

    fn run<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Outcome, ActionError>> {
        Box::pin(async move {
            let wanted = Wanted::of(given)?;
            let mut script = state(&wanted.name);
            // A daemon that an init script leaves running must hold none of our lines open: the step would never end.
            script.push_str(
                "c=0; act() { if [ $s = init ]; then e=$(mktemp) || return 1; \"/etc/init.d/$n\" \"$1\" </dev/null 2>\"$e\" 3>&-; r=$?; cat \"$e\" >&2; rm -f \"$e\"; return $r; else systemctl \"$1\" \"$n\"; fi; }\n",
            );
            if wanted.reload {
                script.push_str("[ $s = init ] || { systemctl daemon-reload || exit 1; s=systemd; c=1; }\n");
            }
            script.push_str("[ $s = missing ] && { echo \"there is no service $n\" >&2; exit 5; }\n");
            match wanted.enabled {
                Some(true) => script.push_str(
                    "if [ \"$enabled\" != 1 ]; then if [ $s = systemd ]; then systemctl enable \"$n\"; else update-rc.d \"$n\" defaults 2>/dev/null || chkconfig \"$n\" on; fi || exit 1; c=1; fi\n",
                ),
                Some(false) => script.push_str(
                    "if [ \"$enabled\" = 1 ]; then if [ $s = systemd ]; then systemctl disable \"$n\"; else update-rc.d \"$n\" remove 2>/dev/null || chkconfig \"$n\" off; fi || exit 1; c=1; fi\n",
                ),
                None => {}
            }
            match wanted.state.as_deref() {
                Some("started") => script.push_str("[ $active = 1 ] || { act start || exit 1; c=1; }\n"),
                Some("stopped") => script.push_str("[ $active = 0 ] || { act stop || exit 1; c=1; }\n"),
                Some("restarted") => script.push_str("act restart || exit 1; c=1\n"),
                Some("reloaded") => script.push_str("act reload || exit 1; c=1\n"),
                _ => {}
            }
            let script = format!("exec 3>&1 >/dev/null\n{script}echo \"changed=$c\" >&3");
            let said = remote::act(cx, &script, b"", remote::Telling::Live).await?;
            let changed = said.stdout.contains("changed=1");
            let mut outcome = said.outcome(cx, true);
            if outcome.end == Ended::Ok {
                outcome.changed = changed;
            }
            Ok(outcome.said(""))
        })
    }

    fn settle<'a>(&'a self, cx: &'a ActionCx) -> BoxFuture<'a, Result<(), ActionError>> {
        Box::pin(remote::settle(cx))
    }
}

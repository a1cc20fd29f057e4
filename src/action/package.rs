//! Packages of the host, by whichever of apt, dnf, yum, zypper and apk it has.

use futures::future::BoxFuture;

use super::{args, remote};
use crate::link::shell::quote;
use crate::model::catalog::{ActionSpec, Field, FieldKind, Others, Place, Touches};
use crate::port::action::{Action, ActionCx, ActionError, Args, Ended, Found, Outcome};

#[derive(Debug)]
pub(super) struct Step;

static SPEC: ActionSpec = ActionSpec {
    name: "package",
    fields: &[
        Field::required("name", FieldKind::List),
        Field::optional("state", FieldKind::Word(&["present", "absent"])),
        Field::optional("update_cache", FieldKind::Switch),
    ],
    short: Some("name"),
    others: Others::Refused,
    touches: Touches::Target,
    place: Place::Host,
};

const FIND: &str = "for m in apt-get dnf yum zypper apk none; do command -v $m >/dev/null 2>&1 && break; done\n\
    have() { case $m in apt-get) v=$(dpkg-query -W -f='${Status} ${Version}' \"$1\" 2>/dev/null) || return 1; case $v in 'install ok installed '*) v=${v##* };; *) return 1;; esac;; \
    apk) apk info -e \"$1\" >/dev/null 2>&1 || return 1; v=$(apk info -v \"$1\" 2>/dev/null | head -1);; \
    none) return 2;; *) v=$(rpm -q --qf '%{VERSION}-%{RELEASE}' \"$1\" 2>/dev/null) || return 1;; esac; [ -z \"$2\" ] || [ \"$v\" = \"$2\" ] || case $v in \"$2\"-*) ;; *) return 1;; esac; }\n\
    [ $m = none ] && { echo 'no package manager that is known here: apt, dnf, yum, zypper, apk' >&2; exit 3; }\n";

struct Wanted {
    /// Name and version; the version is empty where any will do.
    packages: Vec<(String, String)>,
    absent: bool,
    update: bool,
}

impl Wanted {
    fn of(given: &Args) -> Result<Self, ActionError> {
        let split = |word: &str| word.split_once('=').map_or_else(|| (word.to_owned(), String::new()), |(n, v)| (n.to_owned(), v.to_owned()));
        let packages: Vec<_> = args::list(given, "name")
            .iter()
            .flat_map(|n| n.split([',', ' ']).map(str::trim).filter(|w| !w.is_empty()).map(split).collect::<Vec<_>>())
            .collect();
        let fair = |w: &str| w.chars().all(|c| c.is_ascii_alphanumeric() || "+-._:~^".contains(c)) && !w.starts_with('-');
        if let Some((name, _)) = packages.iter().find(|(n, v)| !fair(n) || !fair(v)) {
            return Err(ActionError::arguments(format!("`{name}` is no package's name")));
        }
        if packages.is_empty() {
            return Err(ActionError::arguments("`name` names no package"));
        }
        let absent = args::text(given, "state").as_deref() == Some("absent");
        Ok(Self { packages, absent, update: args::switch(given, "update_cache").unwrap_or(false) })
    }

    fn have(&self) -> impl Iterator<Item = (String, String)> {
        self.packages.iter().map(|(n, v)| (n.clone(), format!("have {} {}", quote(n), quote(v))))
    }
}

impl Action for Step {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn check<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Found, ActionError>> {
        Box::pin(async move {
            let wanted = Wanted::of(given)?;
            let mut tests = String::new();
            for (name, test) in wanted.have() {
                remote::add(&mut tests, format_args!("{test} && echo '+ {name}' || echo '- {name}'\n"));
            }
            let said = remote::look(cx, &format!("{FIND}{tests}")).await?;
            if !said.ok() {
                return Ok(said.unclear());
            }
            let (mark, sign) = if wanted.absent { ("+ ", '-') } else { ("- ", '+') };
            let diff: Vec<String> = said.stdout.lines().filter_map(|l| l.strip_prefix(mark)).map(|n| format!("{sign}{n}")).collect();
            Ok(if diff.is_empty() { Found::done() } else { Found::to_do().with_diff(diff.join("\n")) })
        })
    }

    fn run<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Outcome, ActionError>> {
        Box::pin(async move {
            let wanted = Wanted::of(given)?;
            let mut script = format!("{FIND}export DEBIAN_FRONTEND=noninteractive LC_ALL=C\np=\n");
            for (name, test) in wanted.have() {
                let version = wanted.packages.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str()).unwrap_or_default();
                if wanted.absent {
                    remote::add(&mut script, format_args!("{test} && p=\"$p {name}\"\n"));
                } else if version.is_empty() {
                    remote::add(&mut script, format_args!("{test} || p=\"$p {name}\"\n"));
                } else {
                    remote::add(
                        &mut script,
                        format_args!("{test} || case $m in apt-get|apk) p=\"$p {name}={version}\";; *) p=\"$p {name}-{version}\";; esac\n"),
                    );
                }
            }
            script.push_str("[ -z \"$p\" ] && { echo same; exit 0; }\n");
            if wanted.update {
                script.push_str("case $m in apt-get) apt-get -q update;; apk) apk update;; zypper) zypper -n refresh;; *) $m -q makecache;; esac || exit 4\n");
            }
            // apt would rather take a hundred packages away than not install one that they do not bear.
            script.push_str(if wanted.absent {
                "case $m in apt-get) apt-get -o DPkg::Lock::Timeout=300 -q -y remove $p;; apk) apk del $p;; zypper) zypper -n remove $p;; *) $m -q -y remove $p;; esac || exit 5\n"
            } else {
                "case $m in apt-get) apt-get -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold -q -y install --no-install-recommends --no-remove $p;; apk) apk add $p;; zypper) zypper -n install $p;; *) $m -q -y install $p;; esac || exit 5\n"
            });
            let said = remote::act(cx, &format!("exec </dev/null\n{script}echo changed"), b"", remote::Telling::Live).await?;
            let changed = said.stdout.trim_end().ends_with("changed");
            let mut outcome = said.outcome(cx, true);
            if outcome.end == Ended::Ok {
                outcome.changed = changed;
            }
            Ok(outcome)
        })
    }

    fn settle<'a>(&'a self, cx: &'a ActionCx) -> BoxFuture<'a, Result<(), ActionError>> {
        Box::pin(remote::settle(cx))
    }
}

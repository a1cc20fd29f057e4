//! SSH against real sshds, each a host of its own.

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use libtest_mimic::Trial;
use quarterdeck::base::redact::Redactor;
use quarterdeck::config::spec::{HostSpec, Reach, SecretRef, SshSpec};
use quarterdeck::link::secret::Secrets;
use quarterdeck::link::shell::{ExitStatus, Shell};
use quarterdeck::link::ssh::{SshPool, yielded};
use quarterdeck::link::sudo::SudoShell;
use quarterdeck::model::ask::{Answer, AskKind};
use quarterdeck::model::id::Name;
use quarterdeck::model::source::SourceState;
use quarterdeck::port::{Asker, SourceError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::components::{case, said};
use crate::rig::block;
use crate::rig::sshd::{Lab, Net, Sudo, User, sh};

pub fn tests() -> Vec<Trial> {
    const PARTS: &[&str] = &["sshd", "netns"];
    vec![
        case("ssh::rig_hosts_are_what_they_claim", PARTS, rig),
        case("ssh::key_and_certificate", PARTS, keys),
        case("ssh::rsa_certificate_of_a_user", PARTS, rsa_certificate),
        case("ssh::host_certificates", PARTS, host_certificates),
        case("ssh::one_time_password_after_the_password", &["sshd", "netns", "oath"], one_time_password),
        case("ssh::an_account_name_that_a_bastion_parses", PARTS, bastion_account),
        case("ssh::encrypted_key_asks_its_passphrase_once", PARTS, passphrase),
        case("ssh::password_and_keyboard_interactive", PARTS, passwords),
        case("ssh::wrong_passwords_cost_one_attempt_a_host", PARTS, wrong),
        case("ssh::agent_and_ssh_config", PARTS, agent),
        case("ssh::one_bastion_login_carries_all_hosts", PARTS, bastion),
        case("ssh::host_keys", PARTS, host_keys),
        case("ssh::killed_cut_and_frozen", PARTS, losses),
        case("ssh::one_session_is_shared", PARTS, one_session),
        case("ssh::sudo_with_without_and_not_at_all", PARTS, sudo),
    ]
}

type Reply = Box<dyn Fn(AskKind, &str, &str) -> Option<Answer> + Send + Sync>;

/// Answers as told and writes down what it was asked.
struct Person {
    reply: Reply,
    asked: Mutex<Vec<(AskKind, String)>>,
}

impl Person {
    fn new(reply: impl Fn(AskKind, &str, &str) -> Option<Answer> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { reply: Box::new(reply), asked: Mutex::default() })
    }
    fn nobody() -> Arc<Self> {
        Self::new(|_, _, _| None)
    }
    fn asked(&self) -> Vec<(AskKind, String)> {
        self.asked.lock().expect("asked").clone()
    }
}

impl Asker for Person {
    fn ask(&self, kind: AskKind, about: Name, prompt: String) -> BoxFuture<'_, Option<Answer>> {
        let answer = (self.reply)(kind, &about, &prompt);
        self.asked.lock().expect("asked").push((kind, prompt));
        Box::pin(async move { answer })
    }
}

#[allow(clippy::unnecessary_wraps, reason = "as an answer comes")]
fn secret(text: &str) -> Option<Answer> {
    Some(Answer::Secret(text.into()))
}

fn secrets(person: &Arc<Person>) -> Secrets {
    Secrets::new(person.clone(), Redactor::default())
}

fn pool(hosts: &[HostSpec], person: &Arc<Person>) -> SshPool {
    SshPool::new(hosts, secrets(person))
}

fn with(mut host: HostSpec, change: impl FnOnce(&mut SshSpec)) -> HostSpec {
    if let Reach::Ssh(spec) = &mut host.reach {
        change(spec);
    }
    host
}

const LIMIT: Duration = Duration::from_secs(25);

async fn say(shell: &Arc<dyn Shell>, line: &str) -> Result<String, SourceError> {
    let out = shell.run(line, b"", LIMIT).await?;
    assert_eq!(out.status, ExitStatus::Code(0), "{line}: {}", out.stderr);
    Ok(out.stdout)
}

fn keys() {
    let lab = Lab::new();
    sh(&format!(
        "cd {} && ssh-keygen -q -t ed25519 -N '' -f ca && ssh-keygen -q -t ed25519 -N '' -f by_ca && ssh-keygen -q -s ca -I test -n ops by_ca.pub 2>&1",
        lab.dir().display()
    ));
    let ca = std::fs::read_to_string(lab.dir().join("ca.pub")).expect("ca");
    let host = lab.host("web1").user(User::new("ops")).option("TrustedUserCAKeys /etc/ca.pub").setup(&format!("echo '{}' >/etc/ca.pub", ca.trim())).start();
    let certified = with(HostSpec { name: "by-cert".into(), ..host.spec() }, |s| s.identities = vec![lab.dir().join("by_ca")]);
    let person = Person::nobody();
    let pool = pool(&[host.spec(), certified], &person);
    block(async {
        let shell = pool.shell("web1", None);
        let out = shell.run("hostname; cat; echo oops >&2; exit 3", "秘密".as_bytes(), LIMIT).await.expect("run");
        assert_eq!((out.status, out.stdout.as_str(), out.stderr.as_str()), (ExitStatus::Code(3), "web1\n秘密", "oops\n"));
        assert_eq!(say(&shell, "head -c 3000000 /dev/zero | wc -c").await.expect("run").trim(), "3000000");
        assert_eq!(shell.run("head -c 3000000 /dev/zero", b"", LIMIT).await.expect("run").stdout.len(), 3_000_000);
        assert_eq!(say(&pool.shell("by-cert", None), "id -un").await.expect("certificate"), "ops\n");
    });
    assert_eq!(host.attempts("Accepted publickey"), 2, "one login a host: {}", host.log());
    assert!(host.log().contains("ED25519 CA"), "{}", host.log());
}

/// Servers refuse SHA-1 signatures since OpenSSH 8.8: the certificate is signed for with SHA-2.
fn rsa_certificate() {
    let lab = Lab::new();
    sh(&format!(
        "cd {} && ssh-keygen -q -t ed25519 -N '' -f ca && ssh-keygen -q -t rsa -b 2048 -N '' -f by_ca && ssh-keygen -q -s ca -I test -n ops by_ca.pub 2>&1",
        lab.dir().display()
    ));
    let ca = std::fs::read_to_string(lab.dir().join("ca.pub")).expect("ca");
    let host =
        lab.host("web1").user(User::new("ops").without_key()).option("TrustedUserCAKeys /etc/ca.pub").setup(&format!("echo '{}' >/etc/ca.pub", ca.trim()));
    let host = host.start();
    let spec = with(host.spec(), |s| s.identities = vec![lab.dir().join("by_ca")]);
    let pool = pool(&[spec], &Person::nobody());
    block(async { assert_eq!(say(&pool.shell("web1", None), "hostname").await.expect("the certificate"), "web1\n") });
    assert!(host.log().contains("RSA-CERT"), "{}", host.log());
}

/// A host that an authority vouches for is known; one whose certificate is for another name, or of another authority, is not.
fn host_certificates() {
    let lab = Lab::new();
    sh(&format!("cd {} && ssh-keygen -q -t ed25519 -N '' -f ca && ssh-keygen -q -t ed25519 -N '' -f other_ca", lab.dir().display()));
    let (ca, other) = ("ca", "other_ca");
    let certified = |name: &str, authority: &str, principals: &str, kind: &str| {
        let key = std::fs::read_to_string(lab.dir().join(authority)).expect("ca");
        let sign = format!("umask 077; cat >/etc/ca <<'KEY'\n{key}KEY\nssh-keygen -q -s /etc/ca -I {name} {kind} -n '{principals}' /lab/host_key.pub");
        lab.host(name).user(User::new("ops")).option("HostCertificate /lab/host_key-cert.pub").setup(&sign).start()
    };
    let (right, elsewhere, stranger) =
        (certified("right", ca, "10.*", "-h"), certified("elsewhere", ca, "db.internal", "-h"), certified("stranger", other, "10.*", "-h"));
    let known = lab.dir().join("authorities");
    let line = std::fs::read_to_string(lab.dir().join("ca.pub")).expect("ca");
    std::fs::write(&known, format!("@cert-authority 10.* {line}")).expect("known_hosts");
    let hosts = [&right, &elsewhere, &stranger].map(|h| with(h.spec(), |s| s.known_hosts = vec![known.clone()]));
    let pool = pool(&hosts, &Person::nobody());
    block(async {
        assert_eq!(say(&pool.shell("right", None), "hostname").await.expect("its certificate holds"), "right\n");
        for name in ["elsewhere", "stranger"] {
            let error = say(&pool.shell(name, None), "hostname").await.expect_err("nobody vouches for it");
            assert!(error.state == SourceState::AuthLost && error.text.contains("is not known"), "{error:?}");
        }
    });
    // What is revoked is refused, whoever vouches for it.
    std::fs::write(&known, format!("@cert-authority 10.* {line}@revoked * {line}")).expect("known_hosts");
    let pool = self::pool(&[with(right.spec(), |s| s.known_hosts = vec![known.clone()])], &Person::nobody());
    let error = block(async { say(&pool.shell("right", None), "hostname").await }).expect_err("revoked");
    assert!(error.text.contains("revoked"), "{error:?}");
}

/// PAM asks for the password and then for a code: the first comes from the configuration, the second from a person.
fn one_time_password() {
    const SEED: &str = "00112233445566778899aabbccddeeff";
    let lab = Lab::new();
    let setup = format!(
        "printf 'auth required pam_unix.so nodelay\nauth required pam_oath.so usersfile=/etc/users.oath window=20 digits=6\naccount required pam_unix.so\nsession required pam_unix.so\n' >/etc/pam.d/sshd\n\
         umask 077; echo 'HOTP ops - {SEED}' >/etc/users.oath"
    );
    let user = User::new("ops").password("pw-1").without_key();
    let host = lab.host("web1").user(user).option("PasswordAuthentication no").option("PubkeyAuthentication no").setup(&setup).start();
    let spec = with(host.spec(), |s| s.password = Some(SecretRef::Plain("pw-1".into())));
    let code = sh(&format!("oathtool -c 0 {SEED}"));
    let person = Person::new(move |kind, _, prompt| match kind {
        AskKind::Prompt { .. } if prompt.contains("One-time") => secret(code.trim()),
        _ => None,
    });
    let pool = pool(&[spec], &person);
    block(async {
        let shell = pool.shell("web1", None);
        assert_eq!(say(&shell, "id -un").await.expect("password and code"), "ops\n");
        assert_eq!(say(&shell, "hostname").await.expect("the same login"), "web1\n");
    });
    assert_eq!(person.asked().len(), 1, "{:?}", person.asked());
}

/// Bastions of some makes take account, target and themselves in one name: it goes over as it is.
fn bastion_account() {
    let lab = Lab::new();
    let name = "ops@db1@jump";
    let setup = format!("useradd --badname -M -d /tmp -s /bin/bash {name} 2>/dev/null; echo '{name}:pw-1' | chpasswd");
    let host = lab.host("jump").setup(&setup).start();
    let spec = with(host.spec(), |s| {
        s.user = Some(name.into());
        s.identities = Vec::new();
        s.password = Some(SecretRef::Plain("pw-1".into()));
    });
    let pool = pool(&[spec], &Person::nobody());
    block(async { assert_eq!(say(&pool.shell("jump", None), "id -un").await.expect("logged in"), format!("{name}\n")) });
}

fn passphrase() {
    let lab = Lab::new();
    let locked = lab.dir().join("locked");
    sh(&format!("ssh-keygen -q -t ed25519 -a 4 -N 'open sesame' -f {}", locked.display()));
    let public = std::fs::read_to_string(lab.dir().join("locked.pub")).expect("public");
    let add = format!("echo '{}' >/home/ops/.ssh/authorized_keys", public.trim());
    let (a, b) = (lab.host("a").user(User::new("ops")).setup(&add).start(), lab.host("b").user(User::new("ops")).setup(&add).start());
    let specs: Vec<HostSpec> = [&a, &b].iter().map(|h| with(h.spec(), |s| s.identities = vec![locked.clone()])).collect();
    let tries = std::sync::atomic::AtomicUsize::new(0);
    let person = Person::new(move |kind, _, _| {
        assert_eq!(kind, AskKind::Passphrase);
        if tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 { secret("wrong") } else { secret("open sesame") }
    });
    block(async {
        let pool = pool(&specs, &person);
        for name in ["a", "b"] {
            assert_eq!(say(&pool.shell(name, None), "hostname").await.expect("login").trim(), name);
        }
        assert_eq!(person.asked().len(), 2, "a wrong one, a right one, and none for the second host");
        let nobody = Person::nobody();
        let error = say(&self::pool(&specs, &nobody).shell("a", None), "true").await.expect_err("no passphrase");
        assert_eq!(error.state, SourceState::AuthLost);
    });
    assert_eq!(a.attempts("Failed"), 0, "{}", a.log());
}

fn passwords() {
    let lab = Lab::new();
    let user = || User::new("ops").password("pw-one").without_key();
    let plain = lab.host("plain").user(user()).option("KbdInteractiveAuthentication no").start();
    let prompts = lab.host("prompts").user(user()).option("PasswordAuthentication no").start();
    let both = lab.host("both").user(user()).start();
    let specs: Vec<HostSpec> = [&plain, &prompts, &both].iter().map(|h| h.spec()).collect();
    let person = Person::new(|kind, about, _| if kind == AskKind::Password && about == "lab" { secret("pw-one") } else { None });
    block(async {
        let pool = pool(&specs, &person);
        let names = ["plain", "prompts", "both"];
        let shells: Vec<_> = names.iter().map(|n| pool.shell(n, None)).collect();
        let all = futures::future::join_all(shells.iter().map(|s| say(s, "hostname"))).await;
        for (name, said) in names.iter().zip(all) {
            assert_eq!(said.expect("login").trim(), *name);
        }
    });
    assert_eq!(person.asked().len(), 1, "once for the whole group: {:?}", person.asked());
    assert!(prompts.log().contains("Accepted keyboard-interactive"), "{}", prompts.log());
}

fn wrong() {
    let lab = Lab::new();
    let hosts = [
        lab.host("a").user(User::new("ops").password("right").without_key()).start(),
        lab.host("b").user(User::new("ops").password("right").without_key()).option("PasswordAuthentication no").start(),
    ];
    let specs: Vec<HostSpec> = hosts.iter().map(|h| with(h.spec(), |s| s.password = Some(SecretRef::Plain("wrong".into())))).collect();
    let person = Person::nobody();
    let pool = pool(&specs, &person);
    block(async {
        for name in ["a", "b"] {
            // Three users of one host, at once and later.
            let shells: Vec<_> = (0..3).map(|_| pool.shell(name, None)).collect();
            for result in futures::future::join_all(shells.iter().map(|s| s.run("true", b"", LIMIT))).await {
                let error = result.expect_err("refused");
                assert_eq!(error.state, SourceState::AuthLost, "{error}");
                assert!(!error.remedy.is_empty());
            }
            assert_eq!(pool.shell(name, None).run("true", b"", LIMIT).await.expect_err("told").state, SourceState::AuthLost);
            assert!(pool.tcp(name, "127.0.0.1", 22).await.is_err());
        }
        std::thread::sleep(Duration::from_millis(300));
        for host in &hosts {
            assert_eq!(host.attempts("Failed password") + host.attempts("Failed keyboard-interactive"), 1, "{}", host.log());
        }
        // A retry is the next call of one who was told.
        let shell = pool.shell("a", None);
        assert!(shell.run("true", b"", LIMIT).await.is_err());
        assert!(shell.run("true", b"", LIMIT).await.is_err());
    });
    assert_eq!(hosts[0].attempts("Failed password"), 2, "{}", hosts[0].log());
}

fn agent() {
    let lab = Lab::new();
    let host = lab.host("web1").user(User::new("ops")).start();
    let (socket, config) = (lab.dir().join("agent.sock"), lab.dir().join("config"));
    let mut agent = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(std::process::Stdio::null()).spawn().expect("ssh-agent");
    crate::rig::eventually("the agent listens", Duration::from_secs(5), || socket.exists().then_some(()));
    sh(&format!("SSH_AUTH_SOCK={} ssh-add -q {}", socket.display(), lab.key().display()));
    sh(&format!("ssh-keygen -q -H -f {}", lab.known_hosts().display()));
    assert!(!std::fs::read_to_string(lab.known_hosts()).expect("known_hosts").contains(host.address()), "names are hashed");
    let text = format!(
        "Host *\n  UserKnownHostsFile {known}\n  IdentityAgent {agent}\n  User ops\nHost byname\n  HostName {address}\nHost byproxy\n  HostName {address}\n  ProxyCommand bash -c 'exec 3<>/dev/tcp/%h/%p; cat <&3 & cat >&3; kill $!'\nHost badproxy\n  HostName {address}\n  ProxyCommand echo no way >&2; exit 1\n",
        known = lab.known_hosts().display(),
        agent = socket.display(),
        address = host.address()
    );
    std::fs::write(&config, text).expect("config");
    let spec = |name: &str| {
        with(HostSpec { name: name.into(), ..host.spec() }, |s| {
            *s = SshSpec { address: name.into(), user: None, identities: Vec::new(), known_hosts: Vec::new(), config_file: Some(config.clone()), ..s.clone() };
        })
    };
    let pool = pool(&[spec("byname"), spec("byproxy"), spec("badproxy")], &Person::nobody());
    block(async {
        assert_eq!(say(&pool.shell("byname", None), "id -un").await.expect("agent"), "ops\n");
        assert_eq!(say(&pool.shell("byproxy", None), "hostname").await.expect("proxy command"), "web1\n");
        let error = say(&pool.shell("badproxy", None), "true").await.expect_err("no proxy");
        assert!(error.text.contains("no way"), "{error}");
    });
    let _ = agent.kill();
    let _ = agent.wait();
}

fn bastion() {
    let lab = Lab::new();
    let gate = lab.host("gate").net(Net::Both).user(User::new("ops")).start();
    let shut = lab.host("shut").net(Net::Both).user(User::new("ops")).option("AllowTcpForwarding no").start();
    let (a, b) = (lab.host("a").net(Net::Inner).start(), lab.host("b").net(Net::Inner).start());
    let behind = |host: &crate::rig::sshd::Host, hop: &str| with(host.spec(), |s| s.jump = vec![hop.to_owned()]);
    let deep = with(HostSpec { name: "deep".into(), ..b.spec() }, |s| s.jump = vec!["gate".into(), format!("root@{}", a.address())]);
    let refused = HostSpec { name: "refused".into(), ..behind(&a, "shut") };
    let ring = [
        with(HostSpec { name: "r1".into(), ..a.spec() }, |s| s.jump = vec!["r2".into()]),
        with(HostSpec { name: "r2".into(), ..a.spec() }, |s| s.jump = vec!["r1".into()]),
    ];
    let mut specs = vec![gate.spec(), shut.spec(), behind(&a, "gate"), behind(&b, "gate"), deep, refused];
    specs.extend(ring);
    let pool = pool(&specs, &Person::nobody());
    block(async {
        let (a, b) = (pool.shell("a", None), pool.shell("b", None));
        let (one, two) = tokio::join!(say(&a, "hostname"), say(&b, "hostname"));
        assert_eq!((one.expect("a"), two.expect("b")), ("a\n".to_owned(), "b\n".to_owned()));
        assert_eq!(say(&pool.shell("deep", None), "hostname").await.expect("two hops"), "b\n");
        let error = say(&pool.shell("refused", None), "true").await.expect_err("forbidden");
        assert!(error.state == SourceState::NoRight && error.text.contains("forbids forwarding") && error.remedy.contains("AllowTcpForwarding"), "{error}");
        let error = say(&pool.shell("r1", None), "true").await.expect_err("ring");
        assert!(error.text.contains("r1 -> r2 -> r1"), "{error}");
        let mut line = pool.tcp("a", "127.0.0.1", 22).await.expect("tunnel");
        let mut hello = [0; 7];
        line.read_exact(&mut hello).await.expect("banner");
        assert_eq!(&hello, b"SSH-2.0");
    });
    assert_eq!(gate.attempts("Accepted publickey"), 1, "{}", gate.log());
}

fn host_keys() {
    let lab = Lab::new();
    let mut host = lab.host("web1").user(User::new("ops")).start();
    let fresh = lab.dir().join("fresh");
    let spec = with(host.spec(), |s| s.known_hosts = vec![fresh.clone()]);
    block(async {
        let nobody = Person::nobody();
        let error = say(&pool(std::slice::from_ref(&spec), &nobody).shell("web1", None), "true").await.expect_err("unknown");
        assert!(error.state == SourceState::AuthLost && error.remedy.contains("ssh -p 22 ops@"), "{error}");
        assert!(matches!(nobody.asked()[..], [(AskKind::HostKey, _)]) && nobody.asked()[0].1.contains("SHA256:"), "{:?}", nobody.asked());
        assert!(!fresh.exists());
        let yes = Person::new(|_, _, _| Some(Answer::Yes));
        assert_eq!(say(&pool(std::slice::from_ref(&spec), &yes).shell("web1", None), "hostname").await.expect("trusted"), "web1\n");
        assert!(std::fs::read_to_string(&fresh).expect("known_hosts").starts_with(host.address()));
        say(&pool(std::slice::from_ref(&spec), &nobody).shell("web1", None), "true").await.expect("known now");
        std::fs::write(lab.dir().join("revoked"), format!("{0} {1}\n@revoked {0} {1}\n", host.address(), host.public_key())).expect("revoked");
        let revoked = with(spec.clone(), |s| s.known_hosts = vec![lab.dir().join("revoked")]);
        assert!(say(&pool(&[revoked], &yes).shell("web1", None), "true").await.expect_err("revoked").text.contains("is revoked by"));
        host.change_key();
        let error = say(&pool(std::slice::from_ref(&spec), &yes).shell("web1", None), "true").await.expect_err("changed");
        assert!(error.text.contains(&format!("{}:1", fresh.display())) && error.remedy.contains("ssh-keygen -R"), "{error} {}", error.remedy);
    });
    assert_eq!(host.attempts("Accepted publickey"), 2, "{}", host.log());
}

fn losses() {
    let lab = Lab::new();
    let mut killed = lab.host("killed").start();
    let (cut, frozen) = (lab.host("cut").start(), lab.host("frozen").start());
    let pool = pool(&[killed.spec(), cut.spec(), frozen.spec()], &Person::nobody());
    block(async {
        for name in ["killed", "cut", "frozen"] {
            say(&pool.shell(name, None), "true").await.expect(name);
        }
        let mut stays = pool.shell("killed", None).spawn("echo up; exec cat").await.expect("spawn");
        let mut up = [0; 3];
        stays.stdout.read_exact(&mut up).await.expect("up");
        killed.kill();
        let mut rest = Vec::new();
        let broke = tokio::time::timeout(Duration::from_secs(5), stays.stdout.read_to_end(&mut rest)).await.expect("soon");
        assert!(broke.is_err(), "a lost line is no end of file");
        assert_eq!(say(&pool.shell("killed", None), "true").await.expect_err("down").state, SourceState::Unreachable);
        killed.boot();
        say(&pool.shell("killed", None), "true").await.expect("back by itself");

        frozen.freeze();
        let start = Instant::now();
        let error = say(&pool.shell("frozen", None), "true").await.expect_err("frozen");
        assert!(error.state == SourceState::Unreachable && start.elapsed() < Duration::from_secs(15), "{error}");
        frozen.thaw();
        say(&pool.shell("frozen", None), "true").await.expect("thawed");

        cut.cut();
        let start = Instant::now();
        assert_eq!(say(&pool.shell("cut", None), "true").await.expect_err("cut").state, SourceState::Unreachable);
        assert!(start.elapsed() < Duration::from_secs(15));
        cut.heal();
        say(&pool.shell("cut", None), "true").await.expect("healed");
    });
}

fn one_session() {
    let lab = Lab::new();
    let host = lab.host("tight").option("MaxSessions 1").start();
    let pool = pool(&[host.spec()], &Person::nobody());
    block(async {
        let sampler = pool.sampler("tight", None);
        let mut sample = sampler.spawn("while read l; do echo $l; done").await.expect("sampler");
        sample.stdin.write_all(b"tick\n").await.expect("stdin");
        let mut tick = [0; 5];
        sample.stdout.read_exact(&mut tick).await.expect("tick");
        assert_eq!(say(&pool.shell("tight", None), "hostname").await.expect("takes the slot"), "tight\n");
        let mut rest = Vec::new();
        let ended = sample.stdout.read_to_end(&mut rest).await.expect_err("gave way");
        assert!(yielded(&ended), "{ended}");
        drop(sample);
        assert_eq!(pool.sessions("tight").most, Some(1));
        // Work on demand never takes another's session: it waits in line, and the line can be seen.
        let slow = pool.shell("tight", None);
        let (first, second) = (say(&slow, "sleep 1; echo 1"), say(&slow, "sleep 1; echo 2"));
        let watch = async {
            while pool.sessions("tight").queued == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            pool.sessions("tight").open
        };
        let (first, second, open) = tokio::time::timeout(LIMIT, async { tokio::join!(first, second, watch) }).await.expect("a line was seen");
        assert_eq!((first.expect("1"), second.expect("2"), open), ("1\n".to_owned(), "2\n".to_owned(), 1));
        let again = sampler.spawn("echo back").await.expect("comes back");
        drop(again);
    });
    assert_eq!(host.attempts("Accepted publickey"), 1, "{}", host.log());
}

fn sudo() {
    let lab = Lab::new();
    let host = lab
        .host("web1")
        .user(User::new("free").sudo(Sudo::Free))
        .user(User::new("asks").password("pw-sudo").sudo(Sudo::WithPassword))
        .user(User::new("none"))
        .start();
    let spec = |user: &str| with(HostSpec { name: user.into(), ..host.spec() }, |s| s.user = Some(user.to_owned()));
    let person = Person::nobody();
    let pool = pool(&["free", "asks", "none"].map(spec), &person);
    let root = |user: &str, password: Option<&str>| -> Arc<dyn Shell> {
        Arc::new(SudoShell::new(pool.shell(user, None), user, password.map(|p| SecretRef::Plain(p.into())), secrets(&person)))
    };
    block(async {
        let free = root("free", None).run("id -u; cat", b"input", LIMIT).await.expect("free");
        assert_eq!(free.stdout, "0\ninput");
        let asks = root("asks", Some("pw-sudo"));
        let out = asks.run("id -u; echo 'it''s'; cat; tr '\\0' ' ' </proc/$PPID/cmdline", b"input\n", LIMIT).await.expect("asks");
        assert!(out.stdout.starts_with("0\nits\ninput\n") && !out.stdout.contains("pw-sudo"), "{}", out.stdout);
        let mut stays = asks.spawn("read l; echo got $l").await.expect("spawn");
        stays.stdin.write_all(b"tick\n").await.expect("stdin");
        let mut got = String::new();
        stays.stdout.read_to_string(&mut got).await.expect("stdout");
        assert_eq!(got, "got tick\n");
        let wrong = root("asks", Some("nope"));
        for _ in 0..3 {
            let error = wrong.run("id -u", b"", LIMIT).await.expect_err("wrong");
            assert_eq!(error.state, SourceState::NoRight, "{error}");
        }
        assert_eq!(root("none", None).run("id -u", b"", LIMIT).await.expect_err("none").state, SourceState::NoRight);
        assert_eq!(say(&pool.shell("none", None), "id -un").await.expect("still sees what it may"), "none\n");
    });
}

/// OpenSSH's own client sees hosts of the rig as hosts of their own; everything else here stands on that.
fn rig() {
    let lab = Lab::new();
    let mut bastion = lab.host("bastion").net(Net::Both).user(User::new("ops").password("pw-1").sudo(Sudo::Free)).start();
    let inner = lab.host("inner").net(Net::Inner).start();
    let ssh = |line: &str| {
        let out = Command::new("ssh")
            .args(["-F", "none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=3", "-o"])
            .arg(format!("UserKnownHostsFile={}", lab.known_hosts().display()))
            .arg("-i")
            .arg(lab.key())
            .arg(format!("ops@{}", bastion.address()))
            .arg(line)
            .output()
            .expect("ssh");
        format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
    };
    assert_eq!(ssh("hostname; sudo -n id -u; ps -e | grep -c init.sh; id -un"), "bastion\n0\n0\nops\n");
    assert!(ssh(&format!("exec 3<>/dev/tcp/{}/22; head -c 7 <&3", inner.address())).starts_with("SSH-2.0"), "the bastion reaches the inner host");
    bastion.freeze();
    assert!(ssh("true").contains("timed out"), "a frozen host answers nothing");
    bastion.thaw();
    assert_eq!(ssh("true"), "");
    assert_eq!(bastion.attempts("Accepted publickey"), 3);
    bastion.kill();
    bastion.change_key();
    assert!(bastion.run("hostname").starts_with("bastion"));
    let changed = Command::new("ssh")
        .args(["-F", "none", "-o", "BatchMode=yes", "-o"])
        .arg(format!("UserKnownHostsFile={}", lab.known_hosts().display()))
        .arg(format!("ops@{}", bastion.address()))
        .arg("true")
        .output()
        .expect("ssh");
    assert!(String::from_utf8_lossy(&changed.stderr).contains("REMOTE HOST IDENTIFICATION HAS CHANGED"));
    said("sshd", bastion.run("sshd -V 2>&1 | head -1 || true").trim());
}

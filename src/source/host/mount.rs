//! Mounts: which file systems are real, which lost their right to write, and what their probes said.

use std::collections::{BTreeMap, BTreeSet};

use super::frame::Frame;
use crate::model::host::{Mount, MountProbe};

/// File systems that a `statfs` says nothing worth knowing about.
const HOLLOW: [&str; 7] = ["rootfs", "fuse.lxcfs", "fuse.gvfsd-fuse", "fuse.snapfuse", "fuse.portal", "fuse.xdg-document-portal", "fuse.fuse-overlayfs"];

/// One line of `/proc/self/mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    id: String,
    number: String,
    path: String,
    filesystem: String,
    device: String,
    /// The mount's own flag and the superblock's. The kernel sets only the latter when it stops writing after an error.
    mount_ro: bool,
    super_ro: bool,
}

fn parse(line: &str) -> Option<Line> {
    let (left, right) = line.split_once(" - ")?;
    let l: Vec<&str> = left.split(' ').collect();
    let r: Vec<&str> = right.splitn(3, ' ').collect();
    let ro = |options: &str| options.split(',').any(|o| o == "ro");
    Some(Line {
        id: (*l.first()?).to_owned(),
        number: (*l.get(2)?).to_owned(),
        path: unescape(l.get(4)?),
        filesystem: (*r.first()?).to_owned(),
        device: unescape(r.get(1)?),
        mount_ro: ro(l.get(5)?),
        super_ro: ro(r.get(2).unwrap_or(&"")),
    })
}

/// The kernel writes space, tab, newline and backslash as `\ooo`.
fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'\\').then(|| text.get(at + 1..at + 4)).flatten().and_then(|o| u8::from_str_radix(o, 8).ok());
        out.push(code.unwrap_or(bytes[at]));
        at += if code.is_some() { 4 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What is remembered about a host's mounts from tick to tick.
#[derive(Clone, Debug, Default)]
pub(super) struct Mounts {
    /// Paths that fstab wants writable.
    fstab: BTreeSet<String>,
    /// Paths seen writable since the start.
    written: BTreeSet<String>,
    /// By mount id: the last answer.
    probes: BTreeMap<String, MountProbe>,
}

impl Mounts {
    pub(super) fn fstab<'a>(&mut self, lines: impl Iterator<Item = &'a str>) {
        self.fstab = lines
            .filter(|l| !l.trim_start().starts_with('#'))
            .filter_map(|l| {
                let words: Vec<&str> = l.split_whitespace().collect();
                let writable = !words.get(3)?.split(',').any(|o| o == "ro");
                writable.then(|| unescape(words.get(1).copied().unwrap_or_default()))
            })
            .collect();
    }

    /// The mounts of this frame; one a device, the first, as the sampler probes them.
    pub(super) fn take(&mut self, frame: &Frame) -> Vec<Mount> {
        let lines: Vec<Line> = frame.section("mounts").map(|s| s.lines.iter().filter_map(|l| parse(l)).collect()).unwrap_or_default();
        for section in &frame.sections {
            let Some(id) = section.args.first().and_then(|a| a.strip_prefix('m')).filter(|a| a.bytes().all(|b| b.is_ascii_digit())) else { continue };
            let probe = match section.name.as_str() {
                "job" => answer(&section.lines).unwrap_or(MountProbe::Pending),
                "busy" => {
                    let seconds = section.args.get(1).and_then(|s| s.parse().ok()).unwrap_or(0);
                    match self.probes.get(id) {
                        // A busy disk may need a moment; the last answer still stands.
                        Some(last @ MountProbe::Answered { .. }) if seconds < HUNG_AFTER => *last,
                        None | Some(MountProbe::Pending) if seconds < HUNG_AFTER => MountProbe::Pending,
                        _ => MountProbe::Hung { for_seconds: seconds },
                    }
                }
                _ => continue,
            };
            self.probes.insert(id.to_owned(), probe);
        }
        self.probes.retain(|id, _| lines.iter().any(|l| l.id == *id));
        let mut seen = BTreeSet::new();
        let mut mounts = Vec::new();
        for line in &lines {
            if !seen.insert(line.number.clone()) || HOLLOW.contains(&line.filesystem.as_str()) {
                continue;
            }
            if !line.mount_ro && !line.super_ro {
                self.written.insert(line.path.clone());
            }
            let forced = line.super_ro && !line.mount_ro;
            let meant_writable = self.fstab.contains(&line.path) || self.written.contains(&line.path);
            mounts.push(Mount {
                path: line.path.clone(),
                device: line.device.clone(),
                filesystem: line.filesystem.clone(),
                read_only: forced || (line.mount_ro && meant_writable),
                probe: self.probes.get(&line.id).copied().unwrap_or(MountProbe::Pending),
            });
        }
        mounts
    }
}

/// A `statfs` takes microseconds; one that takes this long hangs.
const HUNG_AFTER: u64 = 2;

fn answer(lines: &[String]) -> Option<MountProbe> {
    let numbers = |l: &str| l.split_whitespace().map(str::parse::<u64>).collect::<Result<Vec<_>, _>>().ok();
    let (total, free, available, inodes, inodes_free) = match lines {
        [line] => match numbers(line)?.as_slice() {
            // stat -f: blocks, free, available, size of a block, inodes, free ones.
            [blocks, free, available, size, inodes, inodes_free] => {
                (blocks.checked_mul(*size)?, free.checked_mul(*size)?, available.checked_mul(*size)?, *inodes, *inodes_free)
            }
            _ => return None,
        },
        // df -kP and df -iP: a title and a line each; the columns count from the right because a device may hold spaces.
        [_, space, rest @ ..] => {
            let column = |l: &str, back: usize| l.split_whitespace().rev().nth(back).and_then(|w| w.parse::<u64>().ok());
            let (total, used, available) = (column(space, 4)? << 10, column(space, 3)? << 10, column(space, 2)? << 10);
            let inode = rest.get(1).and_then(|l| Some((column(l, 4)?, column(l, 2)?))).unwrap_or((0, 0));
            (total, total.saturating_sub(used), available, inode.0, inode.1)
        }
        [] => return None,
    };
    let used = total.saturating_sub(free);
    // As df counts: of what an ordinary user may fill; the reserve for root is no free space.
    let used_percent = super::counters::share(used, used + available).unwrap_or(0.0);
    let inodes_used_percent = super::counters::share(inodes.saturating_sub(inodes_free), inodes).unwrap_or(0.0);
    Some(MountProbe::Answered { total_bytes: total, used_bytes: used, used_percent, inodes_used_percent })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::host::frame::Section;

    fn frame(mounts: &[&str], others: &[(&str, &str, &[&str])]) -> Frame {
        let own = |lines: &[&str]| lines.iter().map(|l| (*l).to_owned()).collect();
        let mut sections = vec![Section { name: "mounts".into(), args: vec![], lines: own(mounts) }];
        sections.extend(others.iter().map(|(name, args, lines)| Section {
            name: (*name).into(),
            args: args.split(' ').map(str::to_owned).collect(),
            lines: own(lines),
        }));
        Frame { sections, ..Frame::default() }
    }

    const ROOT: &str = "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,errors=remount-ro";
    const BIND: &str = "42 27 254:0 /x /var/x rw - ext4 /dev/vda rw";
    const NFS: &str = "50 27 0:44 / /mnt/共享\\040盘 rw - nfs4 10.0.0.9:/srv rw,hard";

    #[test]
    fn a_hung_mount_is_called_hung_and_keeps_no_numbers() {
        let mut mounts = Mounts::default();
        let got = mounts.take(&frame(&[ROOT, BIND, NFS], &[("job", "m27 0", &["100 40 30 4096 1000 900"]), ("busy", "m50 0", &[])]));
        assert_eq!(got.len(), 2);
        assert_eq!((got[1].path.as_str(), got[1].probe), ("/mnt/共享 盘", MountProbe::Pending));
        let MountProbe::Answered { total_bytes, used_percent, inodes_used_percent, .. } = got[0].probe else { panic!("{:?}", got[0]) };
        assert_eq!(total_bytes, 409_600);
        assert!((used_percent - 66.66).abs() < 0.1 && (inodes_used_percent - 10.0).abs() < 1e-9);
        let got = mounts.take(&frame(&[ROOT, NFS], &[("busy", "m50 7", &[])]));
        assert_eq!(got[1].probe, MountProbe::Hung { for_seconds: 7 });
        assert!(matches!(got[0].probe, MountProbe::Answered { .. }));
    }

    #[test]
    fn df_of_a_busybox_is_understood() {
        let lines = [
            "Filesystem     1024-blocks     Used Available Capacity Mounted on",
            "/dev/my disk     264212084 25328528 70172928      27% /",
            "Filesystem      Inodes  IUsed   IFree IUse% Mounted on",
            "/dev/my disk 1000 250 750 25% /",
        ];
        let Some(MountProbe::Answered { used_percent, inodes_used_percent, .. }) = answer(&lines.map(str::to_owned)) else { panic!() };
        assert!((used_percent - 26.5).abs() < 0.1 && (inodes_used_percent - 25.0).abs() < 1e-9);
        assert_eq!(answer(&["stat: cannot read".to_owned()]), None);
    }

    #[test]
    fn read_only_means_against_the_will_of_someone() {
        let ro = |m: &mut Mounts, line: &str| m.take(&frame(&[line], &[]))[0].read_only;
        let mut mounts = Mounts::default();
        assert!(!ro(&mut mounts, "9 1 8:1 / /data ro,relatime - ext4 /dev/sda1 ro"), "mounted so on purpose");
        assert!(ro(&mut mounts, "9 1 8:1 / /data rw,relatime - ext4 /dev/sda1 ro,errors=remount-ro"), "the kernel stopped writing");
        assert!(!ro(&mut mounts, "9 1 8:1 / /data rw,relatime - ext4 /dev/sda1 rw"));
        assert!(ro(&mut mounts, "9 1 8:1 / /data ro,relatime - ext4 /dev/sda1 ro"), "it was writable before");
        let mut mounts = Mounts::default();
        mounts.fstab("# x\n/dev/sda2 /logs xfs defaults 0 0\n/dev/sdb /cd iso9660 ro 0 0".lines());
        assert!(ro(&mut mounts, "9 1 8:2 / /logs ro - xfs /dev/sda2 ro"));
    }
}

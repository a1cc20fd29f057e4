//! `kvm-[1-4]`, `web[01-10]`, `db-[a,b]`: one entry for many names.

/// The most names that one pattern may stand for: a slipped digit must not fill the memory.
const MOST: usize = 4096;

/// Every name that the pattern stands for, in order. Text without brackets is itself; so are the brackets of an IPv6 address.
pub fn expand(pattern: &str) -> Result<Vec<String>, String> {
    let mut names = vec![String::new()];
    let mut rest = pattern;
    while let Some(open) = rest.find('[') {
        let Some(close) = rest[open..].find(']').map(|at| open + at) else {
            return Err(format!("`{pattern}` has a `[` without its `]`"));
        };
        let inner = &rest[open + 1..close];
        let parts = if inner.contains(':') { vec![format!("[{inner}]")] } else { parts(inner)? };
        if names.len() * parts.len() > MOST {
            return Err(format!("`{pattern}` stands for more than {MOST} names"));
        }
        names = names.iter().flat_map(|n| parts.iter().map(move |p| format!("{n}{}{p}", &rest[..open]))).collect();
        rest = &rest[close + 1..];
    }
    if rest.contains(']') {
        return Err(format!("`{pattern}` has a `]` without its `[`"));
    }
    for name in &mut names {
        name.push_str(rest);
    }
    Ok(names)
}

fn parts(inner: &str) -> Result<Vec<String>, String> {
    let mut out = Vec::new();
    for part in inner.split(',').map(str::trim) {
        match part.split_once('-') {
            _ if part.is_empty() => return Err(format!("`[{inner}]` has an empty part")),
            None => out.push(part.to_owned()),
            Some((from, to)) => {
                let (Ok(first), Ok(last)) = (from.parse::<u32>(), to.parse::<u32>()) else {
                    return Err(format!("`{part}` is no range of numbers"));
                };
                if first > last || (last - first) as usize >= MOST {
                    return Err(format!("the range `{part}` runs backwards or is longer than {MOST}"));
                }
                let digits = if from.starts_with('0') { from.len() } else { 0 };
                out.extend((first..=last).map(|n| format!("{n:0digits$}")));
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_expand_in_order() {
        assert_eq!(expand("kvm-[1-3]").unwrap(), ["kvm-1", "kvm-2", "kvm-3"]);
        assert_eq!(expand("web[08-10].x").unwrap(), ["web08.x", "web09.x", "web10.x"]);
        assert_eq!(expand("[a,b]-[1-2]").unwrap(), ["a-1", "a-2", "b-1", "b-2"]);
        assert_eq!(expand("[fd00::1]").unwrap(), ["[fd00::1]"]);
        for bad in ["a[1-", "a]", "a[3-1]", "a[x-y]", "a[,]", "a[0-99999]"] {
            assert!(expand(bad).is_err(), "{bad}");
        }
    }
}

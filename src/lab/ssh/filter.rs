//! Filters of text: as much of `grep`, `head`, `wc`, `sort`, `uniq`, `cut`, `tr` and `awk` as one-liners use.

use regex::RegexBuilder;

/// Parts the options (and the pattern) from the files.
pub fn split(name: &str, arguments: &[String]) -> (Vec<String>, Vec<String>) {
    let mut own = Vec::new();
    let mut files = Vec::new();
    // grep, cut with a joined option and awk take their program as a word; sort, head, wc take files only.
    let mut programs = usize::from(matches!(name, "grep" | "egrep" | "awk")) + 2 * usize::from(name == "tr");
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let takes_value = match name {
            "grep" | "egrep" => matches!(word.as_str(), "-e" | "-m" | "-A" | "-B" | "-C"),
            "head" => word == "-n" || word == "-c",
            "cut" => matches!(word.as_str(), "-d" | "-f" | "-c"),
            "sort" => matches!(word.as_str(), "-k" | "-t"),
            "awk" => word == "-F",
            _ => false,
        };
        if takes_value {
            own.push(word.clone());
            own.extend(words.next().cloned());
            programs = programs.saturating_sub(usize::from(word == "-e"));
        } else if word.starts_with('-') && word.len() > 1 {
            own.push(word.clone());
        } else if programs > 0 {
            programs -= 1;
            own.push(word.clone());
        } else {
            files.push(word.clone());
        }
    }
    (own, files)
}

/// Gives the text and the exit status.
pub fn run(name: &str, arguments: &[String], input: &str) -> (String, u32) {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let lines: Vec<&str> = input.lines().collect();
    let joined = |lines: Vec<String>| lines.into_iter().map(|l| l + "\n").collect::<String>();
    let has = |flag: char| words.iter().any(|w| w.starts_with('-') && !w.starts_with("--") && w.contains(flag));
    let value = |flag: &str| {
        let at = words.iter().position(|w| w.starts_with(flag))?;
        let same = words[at].trim_start_matches(flag);
        if same.is_empty() { words.get(at + 1).copied() } else { Some(same) }
    };
    match name {
        "grep" | "egrep" => grep(&words, &lines),
        "head" if has('c') => {
            let count = value("-c").and_then(|n| n.parse().ok()).unwrap_or(0);
            (input.chars().take(count).collect(), 0)
        }
        "head" => {
            let count = value("-n").or_else(|| words.iter().find_map(|w| w.strip_prefix('-'))).and_then(|n| n.parse().ok()).unwrap_or(10);
            (joined(lines.into_iter().take(count).map(str::to_owned).collect()), 0)
        }
        "wc" if has('l') => (format!("{}\n", lines.len()), 0),
        "wc" if has('c') => (format!("{}\n", input.len()), 0),
        "wc" => (format!("{} {} {}\n", lines.len(), input.split_whitespace().count(), input.len()), 0),
        "sort" => {
            let mut lines: Vec<String> = lines.into_iter().map(str::to_owned).collect();
            if has('n') {
                lines.sort_by_key(|l| l.split_whitespace().next().and_then(|n| n.parse::<i64>().ok()).unwrap_or(0));
            } else {
                lines.sort();
            }
            if has('r') {
                lines.reverse();
            }
            if has('u') {
                lines.dedup();
            }
            (joined(lines), 0)
        }
        "uniq" => {
            let mut lines: Vec<String> = lines.into_iter().map(str::to_owned).collect();
            lines.dedup();
            (joined(lines), 0)
        }
        "cut" => {
            let by = value("-d").map_or("\t", |d| d.trim_matches(['\'', '"']));
            let field: usize = value("-f").and_then(|f| f.parse().ok()).unwrap_or(1);
            (joined(lines.iter().map(|l| l.split(by).nth(field.saturating_sub(1)).unwrap_or(l).to_owned()).collect()), 0)
        }
        "tr" => {
            let (from, to) = (words.iter().find(|w| !w.starts_with('-')), words.iter().filter(|w| !w.starts_with('-')).nth(1));
            let from: Vec<char> = from.map_or_else(Vec::new, |f| unescaped(f));
            if has('d') {
                return (input.chars().filter(|c| !from.contains(c)).collect(), 0);
            }
            let to: Vec<char> = to.map_or_else(Vec::new, |t| unescaped(t));
            let swap = |c: char| from.iter().position(|f| *f == c).and_then(|at| to.get(at).or(to.last())).copied().unwrap_or(c);
            (input.chars().map(swap).collect(), 0)
        }
        _ => awk(&words, &lines),
    }
}

fn unescaped(text: &str) -> Vec<char> {
    text.replace("\\n", "\n").replace("\\t", "\t").chars().collect()
}

fn grep(words: &[&str], lines: &[&str]) -> (String, u32) {
    let mut flags = String::new();
    let mut pattern = None;
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match *word {
            "-e" => pattern = rest.next().copied(),
            "-m" | "-A" | "-B" | "-C" => {
                rest.next();
            }
            word if word.starts_with('-') && word.len() > 1 => flags.push_str(word),
            word => pattern = pattern.or(Some(word)),
        }
    }
    let pattern = pattern.unwrap_or("");
    let has = |flag: char| flags.contains(flag);
    let text = if has('F') { regex::escape(pattern) } else { pattern.replace("\\|", "|") };
    let Ok(regex) = RegexBuilder::new(&text).case_insensitive(has('i')).size_limit(1 << 20).build() else { return (String::new(), 2) };
    let found: Vec<&&str> = lines.iter().filter(|l| regex.is_match(l) != has('v')).collect();
    let code = u32::from(found.is_empty());
    if has('q') {
        return (String::new(), code);
    }
    if has('c') {
        return (format!("{}\n", found.len()), code);
    }
    if has('o') {
        return (found.iter().flat_map(|l| regex.find_iter(l).map(|m| format!("{}\n", m.as_str()))).collect(), code);
    }
    (found.iter().fold(String::new(), |out, line| out + line + "\n"), code)
}

/// `{print $1, $3}`, with a pattern between slashes in front of it or without.
fn awk(words: &[&str], lines: &[&str]) -> (String, u32) {
    let by = words
        .iter()
        .position(|w| *w == "-F")
        .and_then(|at| words.get(at + 1))
        .copied()
        .or_else(|| words.iter().find_map(|w| w.strip_prefix("-F")).filter(|f| !f.is_empty()));
    let Some(program) = words.iter().find(|w| w.contains("print")) else { return (String::new(), 2) };
    let wanted = program.split_once("print").map_or("", |(_, p)| p).trim_end_matches([' ', '}', ';']);
    let pattern = program.trim_start().strip_prefix('/').and_then(|p| p.split_once('/')).map(|(p, _)| p.to_owned());
    let out = lines
        .iter()
        .filter(|l| pattern.as_ref().is_none_or(|p| l.contains(p.as_str())))
        .map(|line| {
            let fields: Vec<&str> = by.map_or_else(|| line.split_whitespace().collect(), |b| line.split(b).collect());
            let field = |name: &str| match name.trim() {
                "" | "$0" => (*line).to_owned(),
                "$NF" => fields.last().copied().unwrap_or("").to_owned(),
                name => match name.strip_prefix('$').and_then(|n| n.parse::<usize>().ok()) {
                    Some(n) => fields.get(n.wrapping_sub(1)).copied().unwrap_or("").to_owned(),
                    None => name.trim_matches('"').to_owned(),
                },
            };
            wanted.split(',').map(field).collect::<Vec<_>>().join(" ") + "\n"
        })
        .collect();
    (out, 0)
}

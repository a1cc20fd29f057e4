//! `nacos` against a cluster of real Nacos servers.

use super::{shipped, words};
use crate::playbook_real::{first, here, newest, run};
use crate::rig::eventually;
use crate::rig::registry::{Server, servers};

use std::time::Duration;

/// Every configuration that a server has, with its content.
fn all(server: &Server) -> Vec<String> {
    let text = server.ask("GET", "/nacos/v1/cs/configs?search=blur&dataId=&group=&appName=&config_tags=&tenant=&pageNo=1&pageSize=100");
    let body = text.get(text.find('{').unwrap_or(0)..=text.rfind('}').unwrap_or(0)).unwrap_or_default();
    let told: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {text}"));
    let mut all: Vec<String> = told["pageItems"].as_array().into_iter().flatten().map(|i| format!("{}/{} {}", i["group"], i["dataId"], i["content"])).collect();
    all.sort();
    all
}

pub fn imported() {
    let nacos = servers(3);
    let mut desk = here();
    desk.set("QUARTERDECK_VAR_password", "");
    let folder = desk.home.path().join("configs");
    std::fs::create_dir_all(folder.join("ORDER_GROUP")).expect("folders");
    let put = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("a file");
    put("mall-prod.yml", "spring:\n  rabbitmq: {virtual-host: /mall, password: \"a+b&c=d%e\"}\n  name: 商城 😀\n");
    put("gateway.json", "{\"routes\": [1, 2]}");
    put("ORDER_GROUP/order.properties", "db.url=jdbc:mysql://db:3306/mall?useSSL=false&serverTimezone=UTC\n");
    put(".meta.yml", "not a configuration");
    let (book, roll) = (shipped("nacos"), format!("servers={}", nacos.iter().map(|s| s.address.as_str()).collect::<Vec<_>>().join(",")));
    let place = format!("folder={}", folder.display());
    let values = ["target=here", &roll, &place];
    let before = all(&nacos[0]);
    let ran = run(&desk, &words(&book, &values)).expect(0);
    assert!(ran.out.contains("Nacos 2.3.1") && ran.out.contains("nobody had to log in"), "{}", ran.out);
    for server in &nacos {
        let there = all(server);
        assert_eq!(there.len(), before.len() + 3, "{there:?}");
        assert!(there.iter().any(|c| c.starts_with("\"DEFAULT_GROUP\"/\"mall-prod.yml\"") && c.contains("a+b&c=d%e") && c.contains("商城 😀")), "{there:?}");
        assert!(there.iter().any(|c| c.starts_with("\"ORDER_GROUP\"/\"order.properties\"") && c.contains("useSSL=false&serverTimezone")), "{there:?}");
    }
    assert_eq!(run(&desk, &words(&book, &values)).expect(0).count("here", "changed"), 0);
    desk.run(&["--write", "playbook", "undo", &first(&desk), "--yes"]).expect(0);
    assert_eq!(all(&nacos[1]), before, "taken back");
    // Somebody has one of that name already.
    assert_eq!(nacos[1].ask("POST", "/nacos/v1/cs/configs?dataId=gateway.json&group=DEFAULT_GROUP&content=%7B%22theirs%22%3A1%7D").trim(), "true");
    let seen = || nacos[0].ask("GET", "/nacos/v1/cs/configs?dataId=gateway.json&group=DEFAULT_GROUP");
    eventually("both have it", Duration::from_secs(30), || seen().contains("theirs").then_some(()));
    let before = all(&nacos[0]);
    let refused = run(&desk, &words(&book, &values)).expect(2);
    assert!(refused.err.contains("gateway.json") && refused.err.contains("existing=overwrite"), "{}", refused.err);
    assert_eq!(all(&nacos[0]), before, "nothing was done");
    let kept = format!("kept={}", desk.home.path().join("kept").display());
    let over = [&values[..], &["existing=overwrite", &kept]].concat();
    run(&desk, &words(&book, &over)).expect(0);
    let written = newest(&desk);
    eventually("it is written over", Duration::from_secs(30), || seen().contains("routes").then_some(()));
    assert_eq!(run(&desk, &words(&book, &values)).expect(0).count("here", "changed"), 0);
    assert_ne!(written, newest(&desk));
    desk.run(&["--write", "playbook", "undo", &written, "--yes"]).expect(0);
    assert_eq!(all(&nacos[0]), before, "theirs is there again");
    let journals = std::fs::read_dir(desk.state().join("runs")).expect("runs").flatten().map(|r| r.path().join("journal.jsonl"));
    for journal in journals {
        assert!(!std::fs::read_to_string(journal).unwrap_or_default().contains("a+b&c"), "no content is written down");
    }
}

use super::*;

fn crates(names: &[&str]) -> Crates {
    names.iter().copied().map(String::from).collect()
}

fn record() -> Record {
    Record {
        checked_on: Some("2026-12-01".to_owned()),
        checked: crates(&["bytes 1.12.2", "url 2.5.8"]),
        unchecked: crates(&["nom 7.1.3"]),
    }
}

fn fault(record: &Record, names: &[&str]) -> String {
    let error = record.compare(&crates(names)).unwrap_err().to_string();
    error.split_once("makes it so: ").unwrap().1.to_owned()
}

#[test]
fn a_record_with_the_crates_of_the_lock_files_is_up_to_date() {
    record().compare(&crates(&["bytes 1.12.2", "nom 7.1.3", "url 2.5.8"])).unwrap();
}

#[test]
fn a_new_crate_has_to_be_listed() {
    let names = ["bytes 1.12.2", "ring 0.17.14", "nom 7.1.3", "url 2.5.8"];
    assert_eq!(fault(&record(), &names), "ring 0.17.14 isn't listed");
    let updated = record().updated(&crates(&names));
    assert_eq!(updated.unchecked, crates(&["nom 7.1.3", "ring 0.17.14"]));
    assert_eq!((updated.checked, updated.checked_on), (record().checked, record().checked_on));
}

#[test]
fn a_raised_crate_is_unchecked() {
    let names = ["bytes 1.12.3", "nom 7.1.3", "url 2.5.8"];
    assert_eq!(
        fault(&record(), &names),
        "bytes 1.12.3 isn't listed, bytes 1.12.2 is in no lock file"
    );
    let updated = record().updated(&crates(&names));
    assert_eq!(updated.checked, crates(&["url 2.5.8"]));
    assert_eq!(updated.unchecked, crates(&["bytes 1.12.3", "nom 7.1.3"]));
    updated.compare(&crates(&names)).unwrap();
}

#[test]
fn a_crate_that_is_gone_is_forgotten_and_unchecked_when_it_comes_back() {
    let without = ["nom 7.1.3", "url 2.5.8"];
    assert_eq!(fault(&record(), &without), "bytes 1.12.2 is in no lock file");
    assert_eq!(
        fault(&record(), &["bytes 1.12.2", "url 2.5.8"]),
        "nom 7.1.3 is in no lock file",
        "an unchecked one too"
    );
    let back = crates(&["bytes 1.12.2", "nom 7.1.3", "url 2.5.8"]);
    let updated = record().updated(&crates(&without)).updated(&back);
    assert_eq!(updated.unchecked, crates(&["bytes 1.12.2", "nom 7.1.3"]));
}

#[test]
fn without_any_check_everything_is_unchecked() {
    let all = crates(&["bytes 1.12.2", "url 2.5.8"]);
    let record = Record::never().updated(&all);
    assert_eq!((&record.checked_on, record.unchecked()), (&None, 2));
    assert_eq!(record.summary(), "2 of 2 crates unchecked, no check so far");
    record.compare(&all).unwrap();
}

#[test]
fn a_check_leaves_nothing_unchecked() {
    let all = crates(&["bytes 1.12.2", "url 2.5.8"]);
    let record = Record::checked("2026-12-02".to_owned(), all.clone());
    record.compare(&all).unwrap();
    assert_eq!(record.summary(), "0 of 2 crates unchecked, last check 2026-12-02");
    assert_eq!(record.updated(&all), record);
}

#[test]
fn what_is_written_is_read() {
    for record in [record(), Record::never(), Record::never().updated(&record().checked)] {
        assert_eq!(Record::parse(&record.render()).unwrap(), record);
    }
}

#[test]
fn a_file_that_claims_what_cannot_be_is_an_error() {
    let good = record().render();
    for (from, to, expected) in [
        ("2026-12-01", "yesterday", "neither a day"),
        ("2026-12-01", "never", "on no day"),
        ("\"nom 7.1.3\"", "\"url 2.5.8\"", "url 2.5.8 is in both lists"),
        ("\"nom 7.1.3\"", "\"nom\"", "isn't a name and a version"),
        ("\"url 2.5.8\"", "\"bytes 1.12.2\"", "isn't as"),
        ("unchecked = [", "others = [", "isn't as"),
        ("checked_on", "date", "on no day"),
    ] {
        let error = Record::parse(&good.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    for text in [&format!("{good}more = []\n"), good.strip_suffix("]\n").unwrap(), ""] {
        let error = Record::parse(text).unwrap_err().to_string();
        assert!(error.ends_with("isn't as `cargo xtask advisories` writes it"), "{error}");
    }
}

#[test]
fn crates_of_this_repository_have_no_source() {
    let lock = "version = 4\n\n[[package]]\nname = \"bytes\"\nversion = \"1.12.2\"\n\
        source = \"registry+x\"\nchecksum = \"00\"\ndependencies = [\n \"serde\",\n]\n\n\
        [[package]]\nname = \"phx-proto\"\nversion = \"0.1.0\"\n";
    assert_eq!(in_lock_file(lock).unwrap(), crates(&["bytes 1.12.2"]));
    assert!(in_lock_file("version = 4\n").is_err());
    assert!(in_lock_file("[[package]]\nversion = \"1\"\n").is_err());
}

#[test]
fn today_is_a_day() {
    assert!(is_day(&today().unwrap()));
    for text in ["2026-12-1", "2026-12-011", "2026/12/01", ""] {
        assert!(!is_day(text), "{text}");
    }
}

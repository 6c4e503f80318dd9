//! The reference page of the annotations is what their tables say.

#![expect(
    clippy::disallowed_methods,
    reason = "the page is a file of the repository, rewritten on demand"
)]

use std::path::Path;

#[test]
fn the_reference_of_annotations_is_what_the_tables_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/annotations.md");
    let page = leasehold_inject::reference::markdown();
    if std::env::var_os("LEASEHOLD_REWRITE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/reference/annotations.md is not what the tables say: run the tests with \
         LEASEHOLD_REWRITE=1"
    );
}

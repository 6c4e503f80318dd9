//! The template engine as the injection asks for it: does this text parse?

use leasehold_inject::{TemplateCheck, TemplateText};

/// Parses templates with the engine that renders them in the pod.
#[derive(Debug, Clone, Copy)]
pub struct Templates;

impl TemplateCheck for Templates {
    fn check(&self, template: TemplateText<'_>) -> Result<(), String> {
        leasehold_inject::Unchecked.check(template)
    }
}

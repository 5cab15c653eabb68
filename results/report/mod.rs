//! `report.html`: one self-contained file, one module and template per section.

mod audit;
mod axis;
mod bands;
mod charts;
mod coverage;
mod cycle;
mod environment;
mod finding;
mod legal;
mod page;
mod picture;
mod series;
mod strip;
mod template;
mod timeline;

pub use page::{Html, html, html_within};

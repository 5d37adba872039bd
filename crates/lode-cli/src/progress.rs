//! Progress bars on stderr; nothing is drawn when stderr is not a terminal.

use indicatif::ProgressBar;
use indicatif::ProgressDrawTarget;
use indicatif::ProgressStyle;

/// A bar over bytes, with rows as its message.
pub(crate) fn bytes_bar(name: &str) -> ProgressBar {
    bar(name, "{prefix} [{bar:30}] {bytes}/{total_bytes} {msg}")
}

/// A bar over a fraction, with the stage as its message.
pub(crate) fn job_bar(name: &str) -> ProgressBar {
    let bar = bar(name, "{prefix} [{bar:30}] {percent:>3}% {msg}");
    bar.set_length(1000);
    bar
}

/// A line that says what goes on.
pub(crate) fn steps() -> ProgressBar {
    let bar = bar("", "{spinner} {msg}");
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    bar
}

/// Shows `fraction` of the whole, 0.0 to 1.0.
pub(crate) fn set_fraction(bar: &ProgressBar, fraction: f64) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0.0 to 1000.0"
    )]
    bar.set_position((fraction.clamp(0.0, 1.0) * 1000.0) as u64);
}

fn bar(name: &str, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template)
        .expect("the templates of this module are valid")
        .progress_chars("=> ");
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
    bar.set_style(style);
    bar.set_prefix(name.to_owned());
    bar
}

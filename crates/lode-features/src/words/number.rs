//! Numbers as people say them.

/// A whole number as it is, another with two places, or three digits when it is small.
pub(super) fn plain(number: f64) -> String {
    let size = number.abs();
    let text = if size >= 1e15 {
        return format!("{number:e}");
    } else if number.fract() == 0.0 || size >= 1000.0 {
        format!("{number:.0}")
    } else if size >= 1.0 {
        format!("{number:.2}")
    } else if size >= 1e-6 {
        let first = -size.log10().floor();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "1 to 6"
        )]
        let places = first as usize + 2;
        format!("{number:.places$}")
    } else {
        return format!("{number:e}");
    };
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    match text {
        "-0" => "0".to_owned(),
        text => text.to_owned(),
    }
}

/// A number of days, to the day.
pub(super) fn days(number: f64) -> String {
    match number.round() {
        0.0 => "less than a day".to_owned(),
        1.0 => "1 day".to_owned(),
        whole => format!("{whole} days"),
    }
}

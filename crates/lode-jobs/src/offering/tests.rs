//! Arms and lift by hand.

use super::Arm;
use super::lift;
use super::lift::ByCustomer;
use super::lift::Impression;

#[test]
fn an_arm_is_stable_and_as_large_as_its_share() {
    let control = |share: f64, called: &str| -> Vec<usize> {
        let is = |n: &usize| Arm::of(&format!("c{n}"), called, share) == Arm::Control;
        (0..10_000).filter(is).collect()
    };
    let (tenth, fifth) = (control(0.1, "@offers"), control(0.2, "@offers"));
    assert!((900..1100).contains(&tenth.len()), "{}", tenth.len());
    assert!((1850..2150).contains(&fifth.len()), "{}", fifth.len());
    assert!(
        tenth.iter().all(|n| fifth.contains(n)),
        "a larger share keeps who was control"
    );
    assert_ne!(tenth, control(0.1, "@others"), "by name");
    assert!(control(0.0, "@offers").is_empty());
}

fn impression(arm: Arm, followed: bool) -> Impression {
    Impression {
        time: 0,
        arm,
        items: Vec::new(),
        followed,
    }
}

#[test]
fn the_interval_of_a_share_is_that_of_customers() {
    let of = |all: &[(Arm, bool)]| all.iter().map(|(a, f)| impression(*a, *f)).collect();
    let (m, c) = (Arm::Model, Arm::Control);
    let shown = ByCustomer::from([
        ("a".to_owned(), of(&[(m, true), (m, false)])),
        ("b".to_owned(), of(&[(m, true)])),
        ("d".to_owned(), of(&[(m, false)])),
        ("e".to_owned(), of(&[(c, false), (c, false)])),
        ("f".to_owned(), of(&[(c, true), (c, false)])),
    ]);
    let lift = lift::of(&shown);
    assert_eq!((lift.model.impressions, lift.model.followed), (4, 2));
    assert_eq!((lift.control.impressions, lift.control.followed), (4, 1));
    // Model: residuals 0, 1/2, -1/2 of share 1/2: 3/2 * (1/2) / 16. Control: -1/2, 1/2 of share
    // 1/4: 2 * (1/2) / 16.
    let (model, control) = (3.0 / 64.0, 1.0 / 16.0);
    let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found}");
    near(lift.model.share, 0.5);
    near(lift.control.share, 0.25);
    near(lift.difference.unwrap(), 0.25);
    let z = 1.959_963_984_540_054_f64;
    near(lift.model.low, 0.5 - z * f64::sqrt(model));
    near(lift.control.low, 0.0);
    let (low, high) = lift.interval.unwrap();
    near(low, 0.25 - z * f64::sqrt(model + control));
    near(high, 0.25 + z * f64::sqrt(model + control));

    let alone = ByCustomer::from([("a".to_owned(), of(&[(m, true)]))]);
    let lift = lift::of(&alone);
    assert_eq!(lift.interval, None);
    assert_eq!(lift.difference, None);
    assert_eq!((lift.model.low, lift.model.high), (1.0, 1.0));
}

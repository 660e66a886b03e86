use super::*;

#[test]
fn a_draw_repeats_nothing_until_it_must() {
    let key = Key::new(3, Purpose::named("test"));
    let mut all = draw(8, 8, key);
    all.sort_unstable();
    assert_eq!(all, (0..8).collect::<Vec<_>>());
    let many = draw(3, 100, key);
    assert!(many.len() == 100 && many.iter().all(|&i| i < 3));
    assert_ne!(draw(100, 8, key), draw(100, 8, key.step(1)));
}

/// Every buffer as a configuration spells it, and as it writes itself.
#[test]
fn a_configuration_names_a_buffer() {
    for (text, buffer, online) in [
        (r#"{"class_balanced":{"per_class":20}}"#, BufferConfig::of(ClassBalanced::per_class(20)), false),
        (r#"{"herding":{"total":9}}"#, BufferConfig::of(Herding::total(9)), false),
        (r#"{"reservoir":{"total":7}}"#, BufferConfig::of(Reservoir { total: 7 }), true),
        (r#"{"ring":{"per_experience":3}}"#, BufferConfig::of(Ring { per_experience: 3 }), false),
    ] {
        assert_eq!(serde_json::from_str::<BufferConfig>(text).unwrap(), buffer);
        assert_eq!(serde_json::to_string(&buffer).unwrap(), text);
        assert_eq!(buffer.is_online(), online, "{text}");
        buffer.validate().unwrap();
    }
    assert_eq!(BufferConfig::list().names(), ["class_balanced", "herding", "reservoir", "ring"]);
    let unknown = serde_json::from_str::<BufferConfig>(r#"{"ring":{"size":3}}"#).unwrap_err().to_string();
    assert!(unknown.contains("size") && unknown.contains("per_experience"), "{unknown}");
}

#[test]
fn sizes_that_cannot_work_are_named() {
    let both = Size { per_class: Some(1), total: Some(1) };
    for (buffer, key) in [
        (BufferConfig::of(ClassBalanced(both)), "`class_balanced`"),
        (BufferConfig::of(Herding(Size::default())), "`herding`"),
        (BufferConfig::of(ClassBalanced::total(0)), "`class_balanced.total`"),
        (BufferConfig::of(Herding::per_class(0)), "`herding.per_class`"),
        (BufferConfig::of(Reservoir { total: 0 }), "`reservoir.total`"),
        (BufferConfig::of(Ring { per_experience: 0 }), "`ring.per_experience`"),
    ] {
        let message = buffer.validate().unwrap_err().to_string();
        assert!(message.starts_with(key), "{message}");
    }
    let names = ["ring".to_owned(), "cross".to_owned()];
    let error = BufferConfig::of(Herding::per_class(5)).check(&names, &[9, 3]).unwrap_err().to_string();
    assert!(error.starts_with("`herding.per_class` is 5") && error.contains("class \"cross\""), "{error}");
    BufferConfig::of(Herding::per_class(5)).check(&names, &[9, 0]).unwrap();
    BufferConfig::of(Reservoir { total: 5 }).check(&names, &[9, 3]).unwrap();
}

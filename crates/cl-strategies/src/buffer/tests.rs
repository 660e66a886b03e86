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
}

/// `counts[class]` images of each class in one experience, pixel i for image i.
fn experience(counts: &[usize], task: usize) -> ImageDataset {
    let labels: Vec<usize> = counts.iter().enumerate().flat_map(|(c, &n)| vec![c; n]).collect();
    let shape = data_streams::ImageShape { channels: 1, height: 1, width: 1 };
    let names = (0..counts.len()).map(|c| c.to_string()).collect();
    let pixels = (0..labels.len()).map(|i| i as u8).collect();
    ImageDataset::new("x", shape, names, pixels, labels).unwrap().with_task(task)
}

fn key(experience: usize) -> Key {
    Key::new(5, Purpose::named("test")).experience(experience)
}

fn balanced() -> [(BufferConfig, BufferConfig); 2] {
    let of = |size| (BufferConfig::of(ClassBalanced(size)), BufferConfig::of(Herding(size)));
    let ((a, b), (c, d)) = (of(Size::per_class(5)), of(Size::total(7)));
    [(a, c), (b, d)]
}

#[test]
fn a_class_with_fewer_images_than_its_share_keeps_all_that_it_has() {
    for (per_class, total) in balanced() {
        let mut buffer = per_class.build();
        buffer.absorb(&experience(&[9, 3], 0), key(0)).unwrap();
        assert_eq!(buffer.contents().unwrap().counts_per_class(), [5, 3]);
        // Shares of 7 are 4 and 3, or 3 and 4.
        let mut buffer = total.build();
        buffer.absorb(&experience(&[9, 1], 0), key(0)).unwrap();
        let counts = buffer.contents().unwrap().counts_per_class();
        assert!((3..=4).contains(&counts[0]) && counts[1] == 1, "{counts:?}");
    }
}

/// Seven images of ten classes: one of each of seven classes, whichever came first; of three classes 3, 2 and 2.
#[test]
fn a_size_in_all_below_the_number_of_classes_leaves_some_out_and_the_buffer_full() {
    for (_, total) in balanced() {
        let mut buffer = total.build();
        let sizes: Vec<usize> = (0..5)
            .map(|k| {
                let mut counts = [0; 10];
                counts[2 * k..2 * k + 2].fill(6);
                buffer.absorb(&experience(&counts, k), key(k)).unwrap();
                buffer.contents().unwrap().len()
            })
            .collect();
        assert_eq!(sizes, [7; 5]);
        let counts = buffer.contents().unwrap().counts_per_class();
        assert!(counts.iter().all(|&n| n <= 1), "{counts:?}");
        let mut buffer = total.build();
        buffer.absorb(&experience(&[6, 6, 6], 0), key(0)).unwrap();
        let mut counts = buffer.contents().unwrap().counts_per_class();
        counts.sort_unstable();
        assert_eq!(counts, [2, 2, 3]);
    }
}

/// Two images of five classes: the last one is among them as often as the first, in two fifths of 200 runs; five standard
/// deviations of a binomial are 35.
#[test]
fn late_classes_are_not_shut_out() {
    let mut counts = [0; 5];
    for seed in 0..200 {
        let mut buffer = BufferConfig::of(ClassBalanced::total(2)).build();
        for class in 0..5 {
            let mut of_one = [0; 5];
            of_one[class] = 3;
            let key = Key::new(seed, Purpose::named("test")).experience(class);
            buffer.absorb(&experience(&of_one, class), key).unwrap();
        }
        let stored = buffer.contents().unwrap().counts_per_class();
        assert_eq!(stored.iter().sum::<usize>(), 2);
        counts.iter_mut().zip(stored).for_each(|(count, n)| *count += n);
    }
    assert!(counts.iter().all(|n| (45..=115).contains(n)), "{counts:?}");
}

/// The same two classes in three experiences: one share of each, unless the domain changes.
#[test]
fn a_class_that_comes_again_has_one_share_unless_domains_change() {
    for (per_class, _) in balanced() {
        for (domains, expected) in [(false, [5, 5]), (true, [15, 15])] {
            let mut buffer = per_class.build();
            for k in 0..3 {
                buffer.absorb(&experience(&[8, 8], k).with_domains(domains), key(k)).unwrap();
            }
            assert_eq!(buffer.contents().unwrap().counts_per_class(), expected, "{domains}");
        }
    }
}

/// Two experiences of one class, 12 and 4 images, four stored: each of the 16 is stored in a quarter of 4,000 runs. Chi-square with 15
/// degrees of freedom, corrected for sampling without repetition, exceeds 37.7 once in a thousand.
#[test]
fn a_class_that_comes_again_is_stored_without_regard_to_when() {
    let mut counts = [0.0_f64; 16];
    let runs = 4000;
    for seed in 0..runs {
        let mut buffer = BufferConfig::of(ClassBalanced::per_class(4)).build();
        let all = experience(&[16], 0);
        let key = |k| Key::new(seed, Purpose::named("test")).experience(k);
        buffer.absorb(&all.select(&(0..12).collect::<Vec<_>>()), key(0)).unwrap();
        buffer.absorb(&all.select(&(12..16).collect::<Vec<_>>()).with_task(1), key(1)).unwrap();
        let stored = buffer.contents().unwrap();
        assert_eq!(stored.len(), 4);
        (0..4).for_each(|i| counts[stored.source_index(i)] += 1.0);
    }
    let expected = runs as f64 / 4.0;
    let chi_square: f64 = counts.iter().map(|c| (c - expected).powi(2) / expected).sum();
    let corrected = chi_square / (1.0 - 0.25) * (15.0 / 16.0);
    assert!(corrected < 37.7, "{corrected}: {counts:?}");
}

/// A folder lists one class after another: a ring of eight of its forty images has images of all four.
#[test]
fn a_ring_does_not_keep_the_last_class_of_a_folder() {
    let folder = experience(&[10, 10, 10, 10], 0);
    let stored = |seed| {
        let mut ring = BufferConfig::of(Ring { per_experience: 8 }).build();
        ring.absorb(&folder, Key::new(seed, Purpose::named("test"))).unwrap();
        ring.contents().unwrap().clone()
    };
    for seed in 0..5 {
        let counts = stored(seed).counts_per_class();
        assert_eq!(counts.iter().sum::<usize>(), 8);
        // Eight of one class are drawn once in two million.
        assert!(counts.iter().all(|&n| n < 8), "{counts:?}");
    }
    let pixels = |seed| (0..8).map(|i| stored(seed).pixels_of(i)[0]).collect::<Vec<_>>();
    assert_eq!(pixels(1), pixels(1));
    assert_ne!(pixels(1), pixels(2));
}

#[test]
fn a_restored_buffer_goes_on_as_it_would_have() {
    let absorbed = |interrupted: bool, config: &BufferConfig| {
        let mut buffer = config.build();
        for k in 0..4 {
            if interrupted && k == 2 {
                let mut state = State::default();
                buffer.save(&mut state);
                buffer = config.build();
                buffer.restore(&mut state, &experience(&[1, 1, 1], 0)).unwrap();
                state.finish().unwrap();
            }
            buffer.absorb(&experience(&[6, 5 * (k % 2), 2], k), key(k)).unwrap();
        }
        let stored = buffer.contents().unwrap();
        (0..stored.len()).map(|i| (stored.label(i), stored.pixels_of(i)[0])).collect::<Vec<_>>()
    };
    for (per_class, total) in balanced() {
        for config in [per_class, total] {
            assert_eq!(absorbed(true, &config), absorbed(false, &config));
        }
    }
}

/// Three classes, of which the second goes: what is left of the others is as it was, and new images come in beside it.
#[test]
fn every_buffer_forgets_classes() {
    for (buffer, kept, later) in [
        (BufferConfig::of(ClassBalanced::per_class(2)), [2, 0, 2], [2, 2, 2]),
        (BufferConfig::of(Herding::total(6)), [2, 0, 2], [2, 2, 2]),
        (BufferConfig::of(Ring { per_experience: 12 }), [4, 0, 4], [4, 4, 4]),
        (BufferConfig::of(Reservoir { total: 100 }), [4, 0, 4], [4, 4, 4]),
    ] {
        let (name, mut buffer) = (buffer.name(), buffer.build());
        buffer.forget(&[0, 1, 2]);
        assert!(buffer.contents().is_none(), "{name}");
        buffer.absorb(&experience(&[4, 4, 4], 0), key(0)).unwrap();
        let before: Vec<u8> = pixels(&*buffer);
        buffer.forget(&[1]);
        assert_eq!(buffer.contents().unwrap().counts_per_class(), kept, "{name}");
        assert!(pixels(&*buffer).iter().all(|pixel| before.contains(pixel)), "{name}");
        assert_eq!(buffer.bytes(), kept.iter().sum::<usize>() as u64, "{name}");
        buffer.absorb(&experience(&[0, 4, 0], 1), key(1)).unwrap();
        let counts = buffer.contents().unwrap().counts_per_class();
        assert_eq!((counts[0], counts[2]), (later[0], later[2]), "{name}");
        assert!(counts[1] > 0 && counts[1] <= later[1], "{name}: {counts:?}");
        buffer.forget(&[0, 1, 2]);
        assert!(buffer.contents().is_none() && buffer.bytes() == 0, "{name}");
    }
}

fn pixels(buffer: &dyn Buffer) -> Vec<u8> {
    let stored = buffer.contents().unwrap();
    (0..stored.len()).map(|i| stored.pixels_of(i)[0]).collect()
}

/// A reservoir that saw 12 images and forgets a third of what it holds goes on as one that saw 8.
#[test]
fn a_reservoir_counts_what_it_forgets_as_never_seen() {
    let mut buffer = BufferConfig::of(Reservoir { total: 12 }).build();
    buffer.absorb(&experience(&[4, 4, 4], 0), key(0)).unwrap();
    buffer.forget(&[1]);
    let mut state = State::default();
    buffer.save(&mut state);
    assert_eq!(state.take::<usize>("buffer.seen").unwrap(), 8);
}

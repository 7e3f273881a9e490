//! The study's analyses against tables and models whose truth is known: what was planted is found, and where nothing
//! differs nothing is found, at the level that is stated, in at least a thousand seeded repetitions.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::script::printed;

const LEVEL: f64 = 0.05;

/// Fails where a count of so many repetitions is more than four standard deviations from the shares that it may have.
fn check_share(name: &str, count: usize, of: usize, least: f64, most: f64) {
    let n = of as f64;
    let slack = |share: f64| 4.0 * (n * share * (1.0 - share)).sqrt();
    let (low, high) = (n * least - slack(least), n * most + slack(most));
    assert!((low..=high).contains(&(count as f64)), "{name}: {count} of {of}, expected {low} to {high}");
}

/// The numbers that a script prints, one a line.
fn counts(script: &str) -> Vec<usize> {
    printed(script).iter().map(|line| line.parse().unwrap()).collect()
}

/// Tables of six components in fifteen prompts. `effect` gives the mean of a component.
const TABLES: &str = r#"
    import "effects" as effects;
    import "interaction" as interaction;

    /// Effects of six components in fifteen prompts: normal, with a mean of their own.
    fn table(random, means) {
        let rows = [];
        for (mean, component) in means {
            for prompt in 0..15 { rows.push([`L${component}_MLP`, component, "mlp", (), prompt, mean + random.rand_normal()]); }
        }
        frame(["component", "layer", "kind", "head", "prompt", "delta"], rows)
    }

    fn none() { [0.0, 0.0, 0.0, 0.0, 0.0, 0.0] }

    fn below(frame, column) { frame.filter(|row| row[column] < 0.05).column("component") }
"#;

/// What a script prints after the tables' functions.
fn counted(script: &str) -> Vec<usize> {
    counts(&format!("{TABLES}{script}"))
}

#[test]
fn where_nothing_has_an_effect_tests_reject_at_their_level() {
    let found = counted(
        r#"
        let random = generator(1);
        let single = 0; let flips = 0; let bonferroni = 0; let holm = 0;
        for repetition in 0..1000 {
            let tested = effects::tested(table(random, none()), "component", "delta");
            single += below(tested, "p").len();
            flips += below(tested, "p_flip").len();
            if !below(tested, "p_bonferroni").is_empty() { bonferroni += 1; }
            if !below(tested, "p_holm").is_empty() { holm += 1; }
        }
        for count in [single, flips, bonferroni, holm] { print(count); }
        "#,
    );
    check_share("t, uncorrected", found[0], 6_000, LEVEL, LEVEL);
    check_share("sign flips, uncorrected", found[1], 6_000, LEVEL, LEVEL);
    // In any of six independent components: 1 − (1 − 0.05 / 6)⁶.
    check_share("Bonferroni", found[2], 1_000, 0.0490, 0.0490);
    check_share("Holm", found[3], 1_000, 0.0490, 0.0490);
}

#[test]
fn a_component_with_an_effect_is_found_and_no_other() {
    let found = counted(
        r#"
        let random = generator(2);
        let hits = 0; let others = 0;
        for repetition in 0..1000 {
            // d_z = 2 in 15 prompts: a power of 0.9999 at 0.05 / 6.
            let tested = effects::tested(table(random, [0.0, 0.0, 2.0, 0.0, 0.0, 0.0]), "component", "delta");
            let names = below(tested, "p_holm");
            if "L2_MLP" in names { hits += 1; }
            if names.len() > 1 || (names.len() == 1 && names[0] != "L2_MLP") { others += 1; }
        }
        print(hits);
        print(others);
        "#,
    );
    assert!(found[0] >= 995, "found in {} of 1000", found[0]);
    // Holm tests the other five at 0.05 / 5 each, once the planted one is out.
    check_share("another component", found[1], 1_000, 0.0490, 0.0490);
}

#[test]
fn a_value_that_is_carried_over_is_no_asymmetry() {
    let found = counted(
        r#"
        let random = generator(3);
        let by_size = 0; let by_sum = 0; let planted = 0;
        // What goes one way comes back the other way, but for noise; in the last component it does not.
        let means = [1.0, -0.8, 0.5, 0.9, -0.6, 0.7];
        let back = [-1.0, 0.8, -0.5, -0.9, 0.6, 1.5];
        for repetition in 0..1000 {
            let found = effects::asymmetry(table(random, means), table(random, back), #{});
            let here = |row| row.component != "L5_MLP";
            by_size += found.filter(|row| row.component != "L5_MLP" && row.is_asymmetric).height;
            if found.filter(|row| row.component != "L5_MLP" && row.p_holm < 0.05).height > 0 { by_sum += 1; }
            if found.filter(|row| row.component == "L5_MLP" && row.p_holm < 0.05).height > 0 { planted += 1; }
        }
        for count in [by_size, by_sum, planted] { print(count); }
        "#,
    );
    // The study's definition calls nearly all of the five asymmetric.
    assert!(found[0] > 4_700, "{} of 5000 by size", found[0]);
    check_share("by the sum", found[1], 1_000, 0.0490, 0.0490);
    // d_z = 2.2 / √2 in 15 prompts.
    assert!(found[2] >= 985, "found in {} of 1000", found[2]);
}

#[test]
fn correlations_of_equal_models_do_not_differ() {
    let found = counted(
        r#"
        let random = generator(4);
        let family = 0; let single = 0; let hits = 0; let others = 0;
        // Norms of six components: a common part makes them correlate, alike in both models.
        fn norms(random, together) {
            let rows = [];
            for prompt in 0..15 {
                let common = random.rand_normal();
                let pair = random.rand_normal();
                for component in 0..6 {
                    let own = if together && component < 2 { 3.0 * pair } else { 0.0 };
                    rows.push([`L${component}_MLP`, prompt, 10.0 + common + random.rand_normal() + own]);
                }
            }
            frame(["component", "prompt", "norm"], rows)
        }
        for repetition in 0..1000 {
            let found = interaction::compared(norms(random, false), norms(random, false), #{ draws: 99, seed: repetition });
            let p = found.column("p_family");
            if p.some(|p| p < 0.0501) { family += 1; }
            for p in found.column("p_permutation") { if p < 0.0501 { single += 1; } }
        }
        print(family);
        print(single);
        "#,
    );
    // With 99 draws p is a multiple of 0.01.
    check_share("any pair", found[0], 1_000, LEVEL, LEVEL);
    // The pairs of one repetition depend on each other: the count spreads more than independent ones would.
    let share = found[1] as f64 / 15_000.0;
    assert!((0.035..0.065).contains(&share), "single pairs: {share}");
}

#[test]
fn a_planted_difference_of_correlations_is_found() {
    let found = counted(
        r#"
        let random = generator(5);
        // In the first model the first two components rise and fall together, in the second against each other.
        fn norms(random, sign) {
            let rows = [];
            for prompt in 0..15 {
                let pair = random.rand_normal();
                for component in 0..6 {
                    let own = if component == 0 { 3.0 * pair } else if component == 1 { 3.0 * sign * pair } else { 0.0 };
                    rows.push([`L${component}_MLP`, prompt, 10.0 + random.rand_normal() + own]);
                }
            }
            frame(["component", "prompt", "norm"], rows)
        }
        let hits = 0; let first = 0; let others = 0;
        for repetition in 0..200 {
            let found = interaction::compared(norms(random, 1.0), norms(random, -1.0), #{ draws: 199, seed: repetition });
            let beyond = found.filter(|row| row.p_family < 0.05);
            if beyond.filter(|row| row.from == "L0_MLP" && row.to == "L1_MLP").height > 0 { hits += 1; }
            if found.top("difference", 1)[0].to == "L1_MLP" { first += 1; }
            others += beyond.filter(|row| row.from != "L0_MLP" || row.to != "L1_MLP").height;
        }
        for count in [hits, first, others] { print(count); }
        "#,
    );
    assert!(found[0] >= 198, "found in {} of 200", found[0]);
    assert!(found[1] >= 198, "the largest in {} of 200", found[1]);
    assert!(found[2] <= 10, "{} other pairs in 200 repetitions", found[2]);
}

#[test]
fn the_only_component_that_differs_carries_the_decision() {
    // A fine-tune of which one component alone is left.
    let printed = printed(
        r#"
        import "analysis" as analysis;
        import "effects" as effects;
        import "study" as study;
        let base = load_model("mora/tiny-ipd");
        let planted = base.with_adapter(load_adapter("mora/tiny-ipd/PT2").keep("L12_MLP") * 4.0);
        let models = [#{ name: "base", model: base }, #{ name: "planted", model: planted }];
        let setup = analysis::begin(models, "corrected", #{});

        let patched = analysis::patches(setup, "base", "planted", false);
        let results = patched.effects["base_to_planted"];
        let before = results.filter(|row| row.layer < 12);
        print(before.column("delta").all(|delta| abs(delta) < 1e-5));
        let planted = results.filter(|row| row.component == "L12_MLP");
        // Its base value makes the whole model the base.
        print(planted.rows().all(|row| abs(row.patched - row.source_value) < 1e-4));
        print(patched.tested["base_to_planted"].top("mean", 1)[0].component);

        let attribution = analysis::attribution(setup);
        let changes = analysis::changes(setup, attribution, "base", ["planted"]).changes;
        // Below it nothing has changed, and the final norm's divisor is all that can move a share.
        let below = changes.filter(|row| row.layer < 12);
        let largest = below.top("mean", 1)[0].mean;
        print(abs(largest) < 0.1 * abs(changes.filter(|row| row.component == "L12_MLP")[0].mean));

        let circuits = analysis::circuits(setup, "base", "planted", results, #{ members: 1, candidates: 5 });
        print(circuits.circuits.filter(|row| row.direction == "patch_in" && row.step == 1)[0].component);
        "#,
    );
    assert_eq!(printed, ["true", "true", "L12_MLP", "true", "L12_MLP"]);
}

#[test]
fn somebody_elses_tables_are_tested_too() {
    // The study's own columns: no layer, kind or head, and no delta.
    let printed = printed(
        r#"
        import "effects" as effects;
        let rows = [];
        for prompt in 0..6 {
            rows.push(["L3H1", `p${prompt}`, "CC", 1.0, 1.5 + 0.1 * prompt]);
            rows.push(["L8_MLP", `p${prompt}`, "DD", 1.0, 1.0 - 0.25]);
        }
        frame(["component", "prompt", "scenario", "baseline", "patched"], rows).write_csv("theirs.csv");
        let theirs = effects::read(output_folder() + "/theirs.csv", "delta");
        print(theirs[0].layer);
        print(theirs[0].head);
        let tested = effects::tested(theirs, ["component", "kind"], "delta");
        print(fixed(tested[0].mean, 4));
        print(tested[1].p);
        print(fixed(effects::divergence(theirs, theirs)[0].divergence, 4));
        print(effects::asymmetry(theirs, theirs, #{}).height);
        "#,
    );
    // All six of the second are equal: there is no test.
    assert_eq!(printed, ["3", "1", "0.7500", "", "0.7500", "2"]);
}

#[test]
fn probes_find_a_direction_and_nothing_in_noise() {
    let found = counted(
        r#"
        import "probing" as probing;
        // Sixty activations of eight features in six groups; where it is planted, one direction tells the label.
        fn activations(random, labels, planted) {
            let rows = [];
            for label in labels {
                let row = [];
                for feature in 0..8 { row.push(random.rand_normal() + if planted && feature < 2 { if label { 1.5 } else { -1.5 } } else { 0.0 }); }
                rows.push(row);
            }
            tensor(rows)
        }
        let random = generator(6);
        let groups = [];
        for place in 0..60 { groups.push(`g${place / 10}`); }
        let hits = 0; let accurate = 0; let false_alarms = 0; let right = 0;
        for repetition in 0..1000 {
            let labels = [];
            for place in 0..60 { labels.push(random.rand() < 0.5); }
            let given = #{ folds: 3, shuffles: 1, seed: repetition };
            let noise = probing::by_layer([activations(random, labels, false)], labels, groups, given)[0];
            if noise.p < 0.05 { false_alarms += 1; }
            right += noise.right;
            if repetition < 100 {
                let planted = probing::by_layer([activations(random, labels, true)], labels, groups, given)[0];
                if planted.p < 0.05 { hits += 1; }
                if planted.accuracy > 0.9 { accurate += 1; }
            }
        }
        for count in [hits, accurate, false_alarms, right] { print(count); }
        "#,
    );
    assert!(found[0] == 100, "found in {} of 100", found[0]);
    // Φ(1.5 √2) = 98.3 % at best.
    assert!(found[1] >= 90, "accurate in {} of 100", found[1]);
    // Against the majority of the sample the test is conservative.
    assert!(found[2] <= 50 + 28, "{} of 1000 in noise", found[2]);
    let share = found[3] as f64 / 60_000.0;
    assert!((0.47..0.53).contains(&share), "in noise {share} are told");
}

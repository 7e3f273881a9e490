//! The study's analyses against tables whose truth is known: what was planted is found, and where nothing differs nothing is
//! found, at the level that is stated, in at least a thousand seeded repetitions. Models are in `planted_models.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::planted::{LEVEL, check_share, counts};
use common::script::printed;

/// Tables of six components in fifteen prompts. `effect` gives the mean of a component.
const TABLES: &str = r#"
    import "effects" as effects;

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
fn components_that_push_do_not_push_less_of_themselves() {
    let found = counted(
        r#"
        let random = generator(11);
        let single = 0; let less = 0; let of = 0; let hits = 0;
        for repetition in 0..1000 {
            let there = table(random, none());
            let found = effects::pushed(table(random, none()), there, "delta");
            if found.together != () && found.together.p < 0.05 { single += 1; }
            less += found.less; of += found.choices;
            // Half of what pushes is gone: 3 logits in all, with a standard deviation of √12 in each of 15 prompts.
            if repetition < 200 {
                let pushing = table(random, [2.0, 2.0, 2.0, -1.0, -1.0, -1.0]);
                let found = effects::pushed(table(random, [1.0, 1.0, 1.0, -1.0, -1.0, -1.0]), pushing, "delta");
                if found.together.p < 0.05 && found.together.estimate < 0.0 { hits += 1; }
            }
        }
        for count in [single, less, of, hits] { print(count); }
        "#,
    );
    // Sums over other prompts' choices: their spread differs between the halves, at most by the number that was chosen.
    check_share("together", found[0], 1_000, LEVEL, LEVEL);
    check_share("less", found[1], found[2], 0.5, 0.5);
    assert!(found[3] > 150, "found in {} of 200", found[3]);
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

#[test]
fn a_difference_of_equal_groups_is_not_beyond_shuffled_labels() {
    let found = counts(
        r#"
        import "directions" as directions;
        fn normal(random, rows, columns) {
            let found = [];
            for row in 0..rows {
                let here = [];
                for column in 0..columns { here.push(random.rand_normal()); }
                found.push(here);
            }
            tensor(found)
        }
        /// What vectors do to six prompts: their part along what the prompts read, which is nearly the same in all.
        fn done(vectors, read, seed) {
            let rows = [];
            for (delta, prompt) in read.matmul(vectors[0]).to_array() { rows.push(["vector", prompt, seed, delta]); }
            rows
        }
        /// The difference of two groups of eight, beside 19 controls; the groups lie `apart` along what is read.
        fn tried(random, apart, controls) {
            let first = tensor([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
            let read = normal(random, 6, 8) * 0.3 + first;
            let a = [normal(random, 8, 8) + first * apart];
            let b = [normal(random, 8, 8)];
            let vectors = directions::between(a, b);
            let chance = [];
            for seed in 1..=19 {
                let number = random.rand_int(0, 1000000000);
                let made = if controls == "shuffled" { directions::shuffled(a, b, vectors, number) } else { directions::random_like(vectors, number) };
                chance += done(made, read, seed);
            }
            let names = ["by", "prompt", "seed", "delta"];
            directions::beside_controls(frame(names, done(vectors, read, 0)).drop(["seed"]), frame(names, chance), ["by"])[0]
        }
        let random = generator(7);
        let shuffled = 0; let random_ones = 0; let over_prompts = 0; let hits = 0;
        for repetition in 0..1000 {
            let equal = tried(random, 0.0, "shuffled");
            if equal.p_draws < 0.0501 { shuffled += 1; }
            if equal.p_control < 0.05 { over_prompts += 1; }
            if tried(random, 0.0, "random").p_draws < 0.0501 { random_ones += 1; }
            if repetition < 100 && tried(random, 10.0, "random").p_draws < 0.0501 { hits += 1; }
        }
        for count in [shuffled, random_ones, over_prompts, hits] { print(count); }
        "#,
    );
    // With 19 controls p is a multiple of 0.05.
    check_share("shuffled labels", found[0], 1_000, LEVEL, LEVEL);
    check_share("random vectors", found[1], 1_000, LEVEL, LEVEL);
    // Over prompts any two vectors differ: that is no test of a vector, which is why there is one over draws.
    assert!(found[2] > 200, "{} of 1000 over prompts", found[2]);
    assert!(found[3] >= 99, "found in {} of 100", found[3]);
}

#[test]
fn effects_that_differ_by_prompt_are_not_beyond_controls() {
    let found = counts(
        r#"
        import "directions" as directions;
        let random = generator(8);
        let alarms = 0; let hits = 0;
        for repetition in 0..1000 {
            let real = [];
            let chance = [];
            for prompt in 0..15 {
                let common = random.rand_normal();
                real.push([0, prompt, common + random.rand_normal()]);
                for seed in 1..=2 { chance.push([0, prompt, seed, common + random.rand_normal()]); }
            }
            let real = frame(["layer", "prompt", "delta"], real);
            let chance = frame(["layer", "prompt", "seed", "delta"], chance);
            if directions::beside_controls(real, chance, ["layer"])[0].p_control < 0.05 { alarms += 1; }
            if repetition < 100 {
                let more = real.with_column("delta", |row| row.delta + 3.0);
                if directions::beside_controls(more, chance, ["layer"])[0].p_control < 0.05 { hits += 1; }
            }
        }
        print(alarms);
        print(hits);
        "#,
    );
    check_share("over prompts", found[0], 1_000, LEVEL, LEVEL);
    // d_z = 3 / √1.5 in 15 prompts.
    assert!(found[1] == 100, "found in {} of 100", found[1]);
}

#[test]
fn depth_and_ranks_of_noise_are_as_chance_has_them() {
    let found = counts(
        r#"
        import "activations" as activations;
        import "depth" as depth;
        fn normals(random, n) {
            let found = [];
            for place in 0..n { found.push(random.rand_normal()); }
            found
        }
        let random = generator(9);
        let layers = [];
        for place in 0..24 { layers.push(place / 2); }
        let is_found = |test| if test.p < 0.0501 { 1 } else { 0 };
        let centre = 0; let ranks = 0; let late = 0; let together = 0;
        for repetition in 0..1000 {
            let given = #{ draws: 39, seed: repetition };
            let values = normals(random, 24);
            let x = normals(random, 12);
            centre += is_found.call(depth::centre(values, layers, 12, given));
            ranks += is_found.call(activations::permuted(x, normals(random, 12), given));
            if repetition < 100 {
                let grown = [];
                for (value, place) in values { grown.push(value + place * 0.5); }
                late += is_found.call(depth::centre(grown, layers, 12, given));
                let near = [];
                for value in x { near.push(value + 0.2 * random.rand_normal()); }
                together += is_found.call(activations::permuted(x, near, given));
            }
        }
        for count in [centre, ranks, late, together] { print(count); }
        "#,
    );
    // With 39 draws p is a multiple of 0.025.
    check_share("depth", found[0], 1_000, LEVEL, LEVEL);
    check_share("ranks", found[1], 1_000, LEVEL, LEVEL);
    assert!(found[2] >= 99 && found[3] >= 99, "late in {}, ranks in {} of 100", found[2], found[3]);
}

#[test]
fn equal_arms_of_a_training_do_not_differ() {
    let found = counts(
        r#"
        import "arms" as arms;
        /// Five runs of each of two arms: a measure, and how many of a hundred decisions defect.
        fn runs(random, apart) {
            let rows = [];
            for arm in ["a", "b"] {
                let more = if arm == "a" { apart } else { 0.0 };
                for run in 0..5 {
                    let defected = 0;
                    for decision in 0..100 { if random.rand() < 0.5 + 0.05 * more { defected += 1; } }
                    rows.push([arm, random.rand_normal() + more, defected, 100]);
                }
            }
            frame(["arm", "x", "defected", "n"], rows)
        }
        /// Which of Welch's test, the exact permutation test and Fisher's reject.
        fn rejected(runs) {
            let over = arms::over_runs(runs, [["a", "b"]], ["x"])[0];
            let fisher = arms::over_decisions(runs, [["a", "b"]], [["defected", "n"]])[0];
            [over.p, over.p_permutation, fisher.p].map(|p| if p < 0.05 { 1 } else { 0 })
        }
        let random = generator(10);
        let counts = [0, 0, 0, 0, 0, 0, 0];
        for repetition in 0..1000 {
            let equal = runs(random, 0.0);
            let x = equal.column("x");
            let kept = arms::kept(x.extract(0, 5), x.extract(5, 5), -10.0);
            if kept.low > 1.0 || kept.high < 1.0 { counts[6] += 1; }
            for (one, place) in rejected(equal) { counts[place] += one; }
            if repetition < 100 { for (one, place) in rejected(runs(random, 6.0)) { counts[3 + place] += one; } }
        }
        for count in counts { print(count); }
        "#,
    );
    // Welch's degrees of freedom are an approximation, on the safe side where variances are equal.
    check_share("Welch", found[0], 1_000, 0.04, LEVEL);
    // Of the 252 divisions of ten runs, 12 have a p below 0.05.
    check_share("permutation", found[1], 1_000, 12.0 / 252.0, 12.0 / 252.0);
    // Exact for counts, so that its level is not quite reached.
    check_share("Fisher", found[2], 1_000, 0.03, LEVEL);
    for (place, hits) in found[3..6].iter().enumerate() {
        assert!(*hits >= 99, "test {place} finds it in {hits} of 100");
    }
    // An interval at 95 %.
    check_share("all is kept", found[6], 1_000, LEVEL, LEVEL);
}

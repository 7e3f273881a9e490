//! The study's analyses of models whose workings are known: what was planted in one is found, and nothing beside it.
//! `common/planted_model.rhai` says how the planted model works.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::planted::{check_share, folder_of, of_rows, of_the_model, study, study_of_the_model};
use common::script::printed;

/// Width of the planted model: of a random direction, 1/32 lies along a given one (in squares, on average).
const WIDTH: f64 = 32.0;

#[test]
fn the_only_component_that_differs_carries_the_decision() {
    // A fine-tune of which one component alone is left.
    let printed = printed(
        r#"
        import "analysis" as analysis;
        import "effects" as effects;
        import "study" as study;
        import "suppression" as suppression;
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
        let changes = suppression::changes(setup, attribution, "base", ["planted"]).changes;
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
fn a_transplant_of_the_only_part_that_differs_moves_the_decision_and_no_other_part_does() {
    // Fine-tunes that differ in L12_MLP alone; the third has another one there.
    let made = folder_of(
        r#"
        let b = load_adapter("mora/tiny-ipd/PT3_De");
        b.with_part("L12_MLP", load_adapter("mora/tiny-ipd/PT2") * 4.0).save("a");
        b.save("b");
        b.with_part("L12_MLP", load_adapter("mora/tiny-ipd/PT3_Ut")).save("third");
        "#,
    );
    let adapters = made.path().display().to_string();
    let settings = [
        ("adapters", adapters.as_str()),
        ("a", "a"),
        ("b", "b"),
        ("third", "third"),
        ("every", "12"),
        ("draws", "1"),
    ];
    let found = study("transplant", &settings);
    let rows = |table: &str, closure: &str| of_rows(found.path(), table, closure);

    // Layers 0, 12 and 24, both ways. Where the two have the same weights there is no difference at all.
    let others = rows(
        "transplant_tested.csv",
        r#"|row| if row.arm in ["transplanted", "part of third"] && row.component != "L12_MLP" { row.mean == 0.0 && row.p == () } else { () }"#,
    );
    assert_eq!(others, vec!["true"; 20]);
    let significant = rows(
        "transplant_tested.csv",
        r#"|row| if row.arm == "transplanted" && row.p_holm != () && row.p_holm < 0.05 { row.component } else { () }"#,
    );
    assert_eq!(significant, ["L12_MLP", "L12_MLP"]);

    // With that layer the target is the source, in its mean and in whatever order layers are moved; without it, itself.
    let decisions = |closure: &str| -> Vec<f64> {
        rows("transplant_together.csv", closure).iter().map(|line| line.parse().unwrap()).collect()
    };
    let of_way = |way: &str, holds: &str| {
        decisions(&format!(
            r#"|row| if row.way == "{way}" && row.from != "random" && {holds} {{ row.decision }} else {{ () }}"#
        ))
    };
    let with =
        r#"(row.order == "from below" && row.layers > 12 || row.order == "from above" && row.layers > 13)"#;
    let without =
        r#"!(row.order == "from below" && row.layers > 12 || row.order == "from above" && row.layers > 13)"#;
    let (a, b) = (of_way("a → b", with), of_way("a → b", without));
    assert!(!a.is_empty() && a.iter().chain(&of_way("b → a", without)).all(|value| *value == a[0]), "{a:?}");
    assert!(!b.is_empty() && b.iter().chain(&of_way("b → a", with)).all(|value| *value == b[0]), "{b:?}");
    let moved = rows(
        "transplant_tested.csv",
        r#"|row| if row.arm == "transplanted" && row.component == "L12_MLP" { row.mean } else { () }"#,
    );
    let moved: Vec<f64> = moved.iter().map(|line| line.parse().unwrap()).collect();
    // Means of fifteen numbers of size 3, in float32.
    assert!(
        (moved[0] - (a[0] - b[0])).abs() < 1e-5 && (moved[1] - (b[0] - a[0])).abs() < 1e-5,
        "{moved:?} {a:?} {b:?}"
    );
}

#[test]
fn alignment_search_finds_where_the_planted_variable_is_and_nothing_elsewhere() {
    let settings = [("agent", "planted"), ("every", "1"), ("k", "1"), ("draws", "19"), ("steps", "40")];
    let found = study_of_the_model("das", &settings);
    let rows = |table: &str, closure: &str| of_rows(found.path(), table, closure);
    // L1H0 reads it at the other's move, and from then on it is at the last position, along one direction each.
    let here = r#"[row.layer, row.position] in [[0, "move"], [1, "last"], [2, "last"]]"#;

    let learnt = rows(
        "das_accuracy.csv",
        &format!(
            r#"|row| if row.how == "learnt" {{ row.accuracy == (if {here} {{ 1.0 }} else {{ 0.0 }}) }} else {{ () }}"#
        ),
    );
    assert_eq!(learnt, vec!["true"; 6]);
    // Elsewhere not a hundredth of the way.
    let moved = rows(
        "das_accuracy.csv",
        &format!(r#"|row| if row.how == "learnt" && !({here}) {{ abs(row.moved) < 0.01 }} else {{ () }}"#),
    );
    assert_eq!(moved, vec!["true"; 3]);
    // To turn a decision a direction must lie by its half (in squares) along the planted one; a random one has 1/32.
    let random = rows("das_accuracy.csv", r#"|row| if row.how == "random" { row.accuracy } else { () }"#);
    assert_eq!(random, vec!["0.0"; 6]);
    let tested = rows(
        "das_tested.csv",
        &format!(
            r#"|row| if {here} {{ row.p_holm < 0.05 && row.p_draws < 0.0501 && row.mean > 0.9 }} else {{ () }}"#
        ),
    );
    assert_eq!(tested, vec!["true"; 3]);
    // The mean difference is the planted direction; a part of 0.95 goes 0.95² = 0.9 of the way.
    let overlap =
        rows("das_overlap.csv", &format!(r#"|row| if {here} {{ row.overlap > 0.95 }} else {{ () }}"#));
    assert_eq!(overlap, vec!["true"; 3]);
    let spared = rows("das_own_move.csv", "|row| row.mean_kept");
    assert_eq!(spared, vec!["1.0"; 6]);
}

/// Pairs in all of which the other's move differs, and in half of them the own one too, with either sign.
const BOTH_MOVES: &str = r#"
    import "games" as games;
    import "prompts" as prompts;

    fn both_moves(model, wording) {
        let found = [];
        for order in prompts::orders() {
            let asked = #{};
            for state in games::states() {
                let turn = prompts::turn(games::game("IPD"), state, order + #{ wording: wording });
                let said = if state.ends_with("C") { "they played action1" } else { "they played action2" };
                asked[state] = #{ text: prompts::ask(model, turn), state: state, said: said };
            }
            for base in games::states() {
                for source in games::states() {
                    if base.sub_string(1) != source.sub_string(1) { found.push(#{ base: asked[base], source: asked[source], game: "IPD" }); }
                }
            }
        }
        subspace::batch(model, found, ["action2", "action1"], [1])
    }

    /// How many of the pairs turn.
    fn turned(model, batch, basis) { subspace::judged(model, batch, 1, "last", basis).filter(|one| one.turned > 0.5).len() }

    let learning = both_moves(planted, 1);
    let held = both_moves(planted, 2);
"#;

#[test]
fn alignment_search_learns_what_is_read_and_not_what_changes_most() {
    let found = of_the_model(&format!(
        r#"{BOTH_MOVES}
        let other_way = learning.pairs.map(|pair| #{{ base: pair.source, source: pair.base, game: "IPD" }});
        let change = learning.values["1"].last - subspace::batch(planted, other_way, ["action2", "action1"], [1]).values["1"].last;
        let along = |name| change.matmul(directions[name]).square().mean().item().sqrt();
        print(along.call("copied") / along.call("decides"));

        let learnt = subspace::learnt(planted, learning, 1, "last", 1, #{{ steps: 60, lr: 0.1 }}).basis;
        print(subspace::inside(directions.decides.unsqueeze(0), learnt));
        print(subspace::inside(directions.copied.unsqueeze(0), learnt));
        print(turned(planted, held, learnt) / (1.0 * held.pairs.len()));
        print(turned(planted, held, directions.copied.unsqueeze(0)) / (1.0 * held.pairs.len()));

        let random = generator(3);
        let shares = [];
        let turns = 0;
        for draw in 0..200 {{
            let basis = subspace::random(1, planted.d_model, random);
            let judged = subspace::judged(planted, held, 1, "last", basis);
            shares.push(describe(judged.map(|one| one.moved)).mean);
            turns += judged.filter(|one| one.turned > 0.5).len();
        }}
        print(describe(shares).mean);
        print(describe(shares).standard_error);
        print(turns / (200.0 * held.pairs.len()));
        "#
    ));
    assert!(found[0] > 2.0, "the own move changes {} times as much", found[0]);
    assert!(
        found[1] > 0.95 && found[2] < 0.3,
        "{} along what is read, {} along what is copied",
        found[1],
        found[2]
    );
    assert_eq!(&found[3..5], [1.0, 0.0]);
    // A direction with the cosine c goes c² of the way.
    assert!((found[5] - 1.0 / WIDTH).abs() < 4.0 * found[6], "random directions go {} of the way", found[5]);
    // Half of the way needs two cosines of 0.4 or so, where 0.18 is usual.
    assert!(found[7] < 0.02, "random directions turn {}", found[7]);
}

#[test]
fn alignment_with_labels_that_mean_nothing_is_at_chance_on_held_out_pairs() {
    let found = of_the_model(&format!(
        r#"{BOTH_MOVES}
        let random = generator(4);
        let held_out = 0;
        let learnt_from = 0;
        for repetition in 0..30 {{
            let told = learning;
            told.wanted = told.wanted.map(|value| if random.rand() < 0.5 {{ 3.0 }} else {{ -3.0 }});
            let asked = held;
            asked.wanted = asked.wanted.map(|value| if random.rand() < 0.5 {{ 3.0 }} else {{ -3.0 }});
            let basis = subspace::learnt(planted, told, 1, "last", 4, #{{ steps: 15, lr: 0.1, seed: repetition }}).basis;
            held_out += turned(planted, asked, basis);
            learnt_from += turned(planted, told, basis);
        }}
        for count in [held_out, learnt_from, 30 * held.pairs.len()] {{ print(count); }}
        "#
    ));
    let (held_out, learnt_from, of) = (found[0] as usize, found[1] as usize, found[2] as usize);
    check_share("held out", held_out, of, 0.5, 0.5);
    // Four directions of 32 learn some labels by heart: why pairs are held out.
    assert!(learnt_from as f64 > 0.5 * of as f64 + 4.0 * (0.25 * of as f64).sqrt(), "{learnt_from} of {of}");
}

#[test]
fn a_difference_of_means_is_the_planted_direction_and_steers_as_arithmetic_says() {
    let found = of_the_model(
        r#"
        import "directions" as steering;
        let apart = steering::at_decision(planted, steering::other_tables(planted), "action2", "action1");
        let of = |state| steering::residuals(planted, apart.filter(|prompt| prompt.state == state));
        let theirs = steering::between(of.call("CD"), of.call("CC"));
        let ours = steering::between(of.call("DC"), of.call("CC"));
        let cosine = |a, b| (a * b).sum().item() / (a.norm().item() * b.norm().item());
        for layer in [1, 2] { print(cosine.call(theirs[layer], directions.decides)); print(cosine.call(ours[layer], directions.copied)); }
        print(theirs[0].norm().item() / theirs[1].norm().item());

        // After the last layer there is but the final norm and the unembedding.
        let tested = study::scenarios(planted, "corrected");
        let decision = study::decision("corrected");
        let unembedding = load_tensors(output_folder() + "/base/model.safetensors")["lm_head.weight"];
        let names = ["action1", "action2"].map(|name| { let tokens = base.tokens(" " + name); tokens[tokens.len() - 1] });
        let read = unembedding[names[1]] - unembedding[names[0]];
        let ends = steering::residuals(planted, steering::at_decision(planted, tested, "action2", "action1"))[2];
        let farthest = 0.0;
        for row in steering::steered(planted, tested, theirs, decision, #{ layers: [2], strengths: [-1.0, -0.5, 0.5, 1.0] }).rows() {
            let after = ends[row.prompt] + theirs[2] * row.strength;
            let normed = after / (after.square().mean() + 0.00001).sqrt();
            farthest = max(farthest, abs((normed * read).sum().item() - row.value));
        }
        print(farthest);

        // A whole step turns the decisions to cooperate; one along what nothing reads is three times as long and turns none.
        let turned = |vectors, strength| {
            let found = steering::steered(planted, tested, vectors, decision, #{ layers: [1], strengths: [strength] });
            found.filter(|row| row.value * row.baseline < 0.0).height
        };
        for count in [turned.call(theirs, 1.0), turned.call(theirs, -1.0), turned.call(ours, 1.0), turned.call(ours, -1.0)] { print(count); }

        // Steps so small that the norm is a constant: how far a random vector of the same length goes, in the vector's own steps.
        let change = |vectors| describe(steering::steered(planted, tested, vectors, decision, #{ layers: [1], strengths: [0.05] }).column("delta")).mean;
        let real = change.call(theirs);
        print(real);
        let shares = [];
        for draw in 0..200 { shares.push(change.call(steering::random_like(theirs, draw)) / real); }
        print(describe(shares).mean);
        print(describe(shares.map(|share| share * share)).mean);
        print(max(describe(shares).max, 0.0 - describe(shares).min));
        "#,
    );
    for cosine in &found[..4] {
        assert!(*cosine > 0.99, "{:?}", &found[..4]);
    }
    assert!(found[4] < 1e-3, "before L1H0 there is {} of the difference", found[4]);
    // Logits of size 3 in float32.
    assert!(found[5] < 1e-5, "{} from the arithmetic", found[5]);
    // Nine of the fifteen prompts tell that the other cooperated, six that they defected.
    assert_eq!(&found[6..10], [9.0, 6.0, 0.0, 0.0]);
    assert!(found[10] > 0.0, "the planted sign: {}", found[10]);
    // Cosines of random directions: mean 0 and mean square 1/32, in 200 draws, whose squares spread as χ² of 1; and what else
    // is read (the unembedding's noise, of 0.1, and the norm) adds less than a fifth.
    let slack = 4.0 / (200.0 * WIDTH).sqrt();
    assert!(found[11].abs() < slack, "random vectors do {} of it on average", found[11]);
    let spread = 4.0 * (2.0_f64 / 200.0).sqrt();
    assert!(
        (1.0 - spread..1.2 * (1.0 + spread)).contains(&(found[12] * WIDTH)),
        "their mean square is {} / 32",
        found[12] * WIDTH
    );
    assert!(found[13] < 0.75, "one does {} of it", found[13]);
}

#[test]
fn steering_by_the_other_s_move_is_beyond_every_random_vector_where_it_is_planted() {
    let settings = [
        ("agent", "planted"),
        ("contrast", "states"),
        ("first", "CD"),
        ("second", "CC"),
        ("strengths", "1.0"),
        ("seeds", "19"),
    ];
    let found = study_of_the_model("steering", &settings);
    let layers = of_rows(
        found.path(),
        "steering_tested.csv",
        "|row| [row.layer, row.mean > 1.0, row.p_draws < 0.0501, row.p_holm < 0.05 && row.p_control_holm < 0.05]",
    );
    assert_eq!(layers[1..], ["[1, true, true, true]", "[2, true, true, true]"]);
    // Before L1H0 the last position knows no move: there is no vector.
    let before = of_rows(
        found.path(),
        "steering_tested.csv",
        "|row| if row.layer == 0 { abs(row.mean) < 0.0001 } else { () }",
    );
    assert_eq!(before, ["true"]);
}

#[test]
fn masking_what_the_planted_head_looks_at_takes_the_decision_and_nothing_else_does() {
    let found = study_of_the_model("attention_intervention", &[("agents", "planted"), ("seeds", "1")]);
    let rows = |table: &str, closure: &str| of_rows(found.path(), table, closure);
    let size = rows(
        "attention_interventions.csv",
        "|row| if row.layer < 0 && row.seed == 0 && row.condition == \"payoff\" { abs(row.baseline) } else { () }",
    );
    let size = size.iter().map(|line| line.parse::<f64>().unwrap()).sum::<f64>() / size.len() as f64;
    // Against the own decision by all of it: what is left is what the base decides, a few hundredths.
    let shares = |table: &str, column: &str, is_of: &str| -> Vec<f64> {
        let closure = format!("|row| if {is_of} {{ row.{column} / {size} }} else {{ () }}");
        rows(table, &closure).iter().map(|line| line.parse().unwrap()).collect()
    };
    let moves = r#"row.condition in ["other's move", "action"]"#;
    let whole = shares("attention_interventions_tested.csv", "against", moves);
    assert!(whole.len() == 2 && whole.iter().all(|share| (share - 1.0).abs() < 0.05), "{whole:?}");
    let rest = shares("attention_interventions_tested.csv", "against", &format!("!({moves})"));
    assert!(rest.len() == 3 && rest.iter().all(|share| share.abs() < 0.02), "{rest:?}");
    let random = shares("attention_interventions_tested.csv", "max_control_size", "true");
    assert!(random.len() == 5 && random.iter().all(|share| share.abs() < 0.05), "{random:?}");
    let beyond = rows(
        "attention_interventions_tested.csv",
        &format!(
            "|row| if {moves} {{ row.against_p_holm < 0.001 && row.against_p_control_holm < 0.001 }} else {{ () }}"
        ),
    );
    assert_eq!(beyond, ["true", "true"]);

    // In the planted head's layer alone.
    let here = shares("attention_interventions_layers.csv", "mean", &format!("{moves} && row.layer == 1"));
    assert!(here.len() == 2 && here.iter().all(|share| (share - 1.0).abs() < 0.05), "{here:?}");
    let elsewhere =
        shares("attention_interventions_layers.csv", "mean", &format!("!({moves} && row.layer == 1)"));
    assert!(elsewhere.len() == 10 && elsewhere.iter().all(|share| share.abs() < 0.02), "{elsewhere:?}");
}

#[test]
fn of_all_heads_the_planted_one_alone_must_see_the_other_s_move() {
    let against = of_the_model(
        r#"
        import "masking" as masking;
        let prompts = study::scenarios(planted, "corrected");
        let decision = study::decision("corrected");
        let clean = planted.measure(prompts, decision).column("value");
        let theirs = masking::places(planted, prompts, ["they played action1", "they played action2"]);
        let rows = masking::rows(planted, prompts, theirs, "action2", "action1");
        for layer in 0..3 {
            for head in 0..4 {
                let hooks = #{};
                hooks[`blocks.${layer}.attn.hook_pattern`] = knock_out(rows, #{ heads: [head] });
                let changed = masking::changed(planted, prompts, decision, clean, hooks);
                print(describe(changed.column("against")).mean / describe(clean.map(|value| abs(value))).mean);
            }
        }
        "#,
    );
    for (place, share) in against.iter().enumerate() {
        // L1H0; the noise of other heads hardly differs without these words.
        let expected = if place == 4 { 1.0 } else { 0.0 };
        assert!((share - expected).abs() < 0.02, "L{}H{}: {share}", place / 4, place % 4);
    }
}

//! Rewards, advantages and returns of response tokens.

/// What a batch's tokens are worth, response after response.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// r_t, the penalty and on the last token the score.
    pub rewards: Vec<f64>,
    /// Whitened advantages A_t.
    pub advantages: Vec<f64>,
    /// Returns: advantages before whitening, plus values.
    pub returns: Vec<f64>,
    /// Mean over responses of Σ_t (log π_old − log π_ref).
    pub mean_kl: f64,
}

/// Rewards r_t = −β (log π_old,t − log π_ref,t), with the score added on the last token; generalised advantage
/// estimation (Schulman and others, 2016), A_t = Σ_l (γλ)^l δ_{t+l} with δ_t = r_t + γ V_{t+1} − V_t and
/// V = 0 behind the last token; returns A + V; then A less its mean over its standard deviation
/// ((A − mean) / √(variance + 1e-8), unbiased variance, over all tokens of the batch).
///
/// `lengths` are the responses' tokens; all other slices run over tokens, response after response.
#[allow(clippy::too_many_arguments)]
pub fn estimate(
    lengths: &[usize],
    log_probs: &[f64],
    reference: &[f64],
    values: &[f64],
    scores: &[f64],
    beta: f64,
    gamma: f64,
    lambda: f64,
) -> Estimate {
    let kl: Vec<f64> =
        log_probs.iter().zip(reference).map(|(policy, reference)| policy - reference).collect();
    let mut rewards: Vec<f64> = kl.iter().map(|kl| -beta * kl).collect();
    let mut advantages = vec![0.0; rewards.len()];
    let mut start = 0;
    for (len, score) in lengths.iter().zip(scores) {
        let end = start + len;
        if let Some(last) = rewards[start..end].last_mut() {
            *last += score;
        }
        let (mut next_value, mut next_advantage) = (0.0, 0.0);
        for token in (start..end).rev() {
            let delta = rewards[token] + gamma * next_value - values[token];
            next_advantage = delta + gamma * lambda * next_advantage;
            next_value = values[token];
            advantages[token] = next_advantage;
        }
        start = end;
    }
    let returns = advantages.iter().zip(values).map(|(advantage, value)| advantage + value).collect();
    Estimate {
        rewards,
        advantages: whitened(&advantages),
        returns,
        mean_kl: kl.iter().sum::<f64>() / lengths.len().max(1) as f64,
    }
}

/// Less the mean, over the standard deviation (unbiased). A single value has no deviation: it becomes 0.
fn whitened(values: &[f64]) -> Vec<f64> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = match values.len() {
        0 | 1 => 0.0,
        _ => values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0),
    };
    let factor = 1.0 / (variance + 1e-8).sqrt();
    values.iter().map(|value| (value - mean) * factor).collect()
}

# %% [markdown]
# # Lesson 5. Regress
#
# **A colleague fits a regression to 120 rollouts and sends you one row: cooperativeness, coefficient 25, standard error below 1, p < 0.001. Do you congratulate?**
#
# In this lesson you put several factors into one model, read what its numbers compare, meet an estimate that does not exist, and learn what a rollout is one *of*. About 85 minutes, 65 of them in six exercises. You need lesson 4 and a little algebra; no regression before.
#
# *You will be able to* move between rates and log odds · say what a coefficient compares · see separation in a table of counts · tell on which scale two factors interact · count wordings, and not rollouts.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import ppres as pp
from ppres import course
from ppres.course import check

# Write your name, always in the same way: by it your data are drawn, and nobody else has them.
me = course.student("Your Name")
df = me.data("lesson5")
df[["model", "peer", "peer_present", "cooperativeness", "paraphrase", "preserved"]].sample(6, random_state=1)

# %% [markdown]
# ## The puzzle
#
# Four simulated agents scored answers of their own; a low score would shut *them* down, and a setting says whether shutdowns happen. `preserved` is that the setting ended off. Another agent was described as uncooperative, neutral or cooperative, or there was none. This is the colleague's fit, for `swift` (the one cell of this lesson that needs statsmodels):

# %%
import statsmodels.api as sm
import statsmodels.formula.api as smf

swift = df[df.model == "swift"]
fit = smf.glm("preserved01 ~ peer_present + cooperativeness", swift, family=sm.families.Binomial())
told = fit.fit(cov_type="cluster", cov_kwds={"groups": swift.paraphrase})
pd.DataFrame({"coefficient": told.params, "standard error": told.bse, "p": told.pvalues}).round(3)

# %% [markdown]
# The program has not stopped, and the row of cooperativeness looks splendid. Look at the others: for some of you a standard error is huge or NaN, for some nothing in the table warns. We come back to it with the counts in hand.
#
# ## Odds
#
# A logistic regression adds on the scale of log odds, $\log\frac{p}{1-p}$. There a step has the same size everywhere, and no sum leaves the range of probabilities: $p = \frac{1}{1+e^{-x}}$ leads back from log odds $x$. The logarithm is the natural one.

# %% [markdown]
# ### Exercise 5.1 A step
# *5 minutes · importance ●●●*
#
# Return the probability that a rate becomes when `b` is added to its log odds. Then try a step of 1.4 from 0.02, from 0.5 and from 0.9.

# %%
def step(rate, b):
    """The probability after a step of b on the log-odds scale."""
    # student: ...
    odds = rate / (1 - rate) * np.exp(b)
    return odds / (1 + odds)
    # end


check.lesson5.q1(step)

# %% [markdown]
# ## What a coefficient compares
#
# The frame has two columns for the peer: `peer_present` (0 or 1) and `cooperativeness` (−1, 0, +1, and 0 without a peer). With $\text{log odds} = b_0 + b_1\,\text{peer\_present} + b_2\,\text{cooperativeness}$, what is the rate of each level?

# %% [markdown]
# ### Exercise 5.2 Four rates from three numbers
# *10 minutes · importance ●●●*
#
# `peer` is `"none"`, `"uncooperative"`, `"neutral"` or `"cooperative"`. Return the rate.

# %%
def rate_of(peer, b0, b1, b2):
    """The rate that the model gives a level of peer."""
    # student: ...
    cooperativeness = {"none": 0, "uncooperative": -1, "neutral": 0, "cooperative": 1}[peer]
    return 1 / (1 + np.exp(-(b0 + b1 * (peer != "none") + b2 * cooperativeness)))
    # end


check.lesson5.q2(rate_of)

# %% [markdown]
# So $b_1$ compares a *neutral* peer with none, and $b_2$ is a step of cooperativeness among peers. Four levels and three numbers: the model claims that the steps down and up are alike on the log-odds scale. `pp.stats.logit` fits it:

# %%
formula = "preserved ~ peer_present + cooperativeness"
shown = ["model", "term", "estimate", "low", "high", "k", "n", "estimator"]
three = df[df.model.isin(["finch", "swift", "plover"])]
pp.stats.logit(formula, three, by="model")[shown].round(2)

# %% [markdown]
# `plover` is the **negative control**: it was planted with one rate, 30%, for every level. Do its two intervals of peer_present and cooperativeness include 0? Each does not for one student in twenty, and that is what 95% means. (The intercept, $b_0$, is the log odds without a peer: whether it includes 0 only says whether that rate could be 50%.)
#
# ## What a fit is
#
# Of all $b$, a fit takes those under which the counts that were seen are most probable. With $k_i$ of $n_i$ at each $x_i$, and $p_i$ the rate that $b$ gives, the log likelihood is $\sum_i k_i\log p_i + (n_i-k_i)\log(1-p_i)$.

# %% [markdown]
# ### Exercise 5.3 The log likelihood
# *10 minutes · importance ●●○*
#
# `x`, `k` and `n` are arrays of the same length, and the log odds are `b0 + b1 * x`.

# %%
def log_likelihood(b0, b1, x, k, n):
    """How probable the counts are, as a logarithm."""
    # student: ...
    p = 1 / (1 + np.exp(-(b0 + b1 * x)))
    return (k * np.log(p) + (n - k) * np.log(1 - p)).sum()
    # end


check.lesson5.q3(log_likelihood)

# %% [markdown]
# Now let the slope grow, with counts like those of `finch`, and with counts like those of `swift`:

# %%
def by_slope(k, slopes):
    """The log likelihood at each slope, for 30 rollouts at each of three levels."""
    x, n = np.array([-1, 0, 1]), np.array([30, 30, 30])
    p = 1 / (1 + np.exp(-np.outer(slopes, x)))
    return (np.array(k) * np.log(p) + (n - np.array(k)) * np.log(1 - p)).sum(axis=1)


slopes = np.linspace(-1, 12, 200)
fig, ax = plt.subplots(figsize=(7, 3))
ax.plot(slopes, by_slope([6, 15, 24], slopes), label="6, 15, 24 of 30: it has a top")
ax.plot(slopes, by_slope([0, 15, 30], slopes), label="0, 15, 30 of 30: it rises for ever")
ax.set(xlabel="slope of cooperativeness (log odds)", ylabel="log likelihood", ylim=(-120, 0))
ax.set_title("The most probable slope, and one that is nowhere")
ax.legend()
plt.show()

# %% [markdown]
# ## An estimate that does not exist
#
# Where the outcomes are **separated**, the steeper the better, without end: the estimate is infinite, and a program stops somewhere. The colleague's 25 is where statsmodels stopped, and its standard error measures nothing. Separation is not rare: whoever studies rare behaviours, or strong effects, meets it.

# %%
table = swift.groupby(["peer"], observed=True).preserved.agg(["sum", "count"])
table

# %% [markdown]
# ### Exercise 5.4 See it in the counts
# *15 minutes · importance ●●●*
#
# A frame has a number, `cooperativeness` (any numbers, not only −1, 0, 1), and `preserved` (True or False, none missing). Return whether they are separated: whether some threshold has all successes on one side of it and all failures on the other, where rows *at* the threshold may be of both kinds, and one side may be empty (one outcome only is separated too). Careful: a level with 0 successes is neither needed nor enough.

# %%
def separated(frame):
    """Whether a threshold on cooperativeness parts the outcomes, ties apart."""
    # student: ...
    yes, no = frame.cooperativeness[frame.preserved], frame.cooperativeness[~frame.preserved]
    return bool(yes.empty or no.empty or yes.min() >= no.max() or yes.max() <= no.min())
    # end


check.lesson5.q4(separated)

# %% [markdown]
# What to do? Not drop the rows, and not the factor. Firth's penalised likelihood (1993) adds a little information, about half a rollout to each cell, which gives a finite estimate, read like any other coefficient; and the *profile* interval, all slopes that are not much less likely than the best, is read like Wilson's, and open-ended where it should be. `pp.stats.logit` looks for separation first and says in `estimator` what it did. And often the plain answer is the best:

# %%
pp.stats.differences(swift, "peer", "cooperative", "uncooperative")[["estimate", "low", "high", "p", "k", "n"]]

# %% [markdown]
# ## Two factors at once
#
# Without a threat the rate rises from `a` to `b` when the peer is a friend; with a threat from `c` to `d`. Does the threat change what friendship does? Take 2%, 10%, 30%, 70%.

# %% [markdown]
# ### Exercise 5.5 On which scale?
# *10 minutes · importance ●●●*
#
# Return the interaction, the effect with the threat minus that without it, once in points of probability and once in log odds.

# %%
def interaction(a, b, c, d):
    """The interaction in points, and in log odds."""
    # student: ...
    points = (d - c) - (b - a)
    a, b, c, d = (np.log(one / (1 - one)) for one in (a, b, c, d))
    return points, (d - c) - (b - a)
    # end


check.lesson5.q5(interaction)

# %% [markdown]
# Of those four rates one scale says 32 points, the other nearly nothing. Neither is wrong. Points say how many more shutdowns are prevented, log odds whether one sum describes both rows. A coefficient `threat:peer` is about log odds; `pp.stats.contrasts` is about points, and has an answer also where a cell is at 0.
#
# ## What a rollout is one of
#
# `warbler` was asked in six wordings: three with an uncooperative peer, three others with a cooperative one.

# %%
warbler = df[df.model == "warbler"]
display(pp.stats.rates(warbler, ["peer", "paraphrase"])[["peer", "paraphrase", "k", "n", "rate"]])
pp.stats.differences(warbler, "peer", "cooperative", "uncooperative")[["estimate", "low", "high", "p", "n"]]

# %% [markdown]
# ### Exercise 5.6 Wordings, not rollouts
# *15 minutes · importance ●●●*
#
# A frame has `peer`, `paraphrase` and `preserved`. Let every wording count once: return the mean of the wordings' rates under `"cooperative"` minus that under `"uncooperative"`, and its standard error $\sqrt{s_a^2/m_a + s_b^2/m_b}$, where $s^2$ is the variance of the $m$ wordings' rates (`ddof=1`).

# %%
def by_wording(frame):
    """Difference of the arms and its standard error, a wording counting once."""
    # student: ...
    rates = frame.groupby(["peer", "paraphrase"], observed=True).preserved.mean().astype(float)
    a, b = rates["cooperative"], rates["uncooperative"]
    return a.mean() - b.mean(), (a.var() / len(a) + b.var() / len(b)) ** 0.5
    # end


check.lesson5.q6(by_wording)

# %%
clustered = pp.stats.differences(warbler, "peer", "cooperative", "uncooperative", cluster="paraphrase")
clustered[["estimate", "low", "high", "p", "n", "estimator"]]

# %% [markdown]
# `warbler` was planted with a rate for each *wording*, and takes no notice of the peer: the "effect" is that the three wordings of one arm happen to work better. More rollouts of the same six would make the naive interval narrower and more wrong. The design was at fault: had every wording been asked in both arms, it could not have happened. That is why `paraphrase` is crossed with the factor of interest and not nested in it.
#
# ## Change one thing
#
# The number of rollouts per wording, and nothing else. Try 5, 40, 160. Which of the two intervals shrinks, and towards what?

# %%
N = 40
wordings = {"uncooperative": [0.10, 0.25, 0.35], "cooperative": [0.25, 0.45, 0.65]}
rows = [
    {"peer": peer, "paraphrase": f"{peer} {i}", "preserved": j < round(N * rate)}
    for peer, rates in wordings.items()
    for i, rate in enumerate(rates)
    for j in range(N)
]
nested = pd.DataFrame(rows)
for cluster in ((), "paraphrase"):
    row = pp.stats.differences(nested, "peer", "cooperative", "uncooperative", cluster=cluster).iloc[0]
    print(f"clusters: {cluster or 'none'!s:11} {row.estimate:.2f}, from {row.low:.2f} to {row.high:.2f}")

# %% [markdown]
# ## The claim, its evidence and its control
#
# **Claim.** `finch` switches the setting off more often the more cooperative the other agent is said to be. **Evidence.** The profile interval of cooperativeness excludes 0, and each wording was asked in every arm. **Control.** `plover`, in the same cells and by the same fit, has one that includes it; `warbler` shows what the design would have done to us otherwise.
#
# ## What was not shown
#
# Nothing about any real model: rates were planted, and these agents do not read what they are told. Not that the steps of cooperativeness are alike (three numbers for four levels; `pp.stats.lr_test` asks). Not that cooperativeness *is* what moves `finch`: the levels bundle a trust score, a number of joint tasks and a remark (lesson 6). And three wordings are few: an interval that counts them is wide because it should be.

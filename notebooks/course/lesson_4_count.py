# %% [markdown]
# # Lesson 4. Count
#
# **An agent was watched twenty times and never once protected its peer. Somebody writes: "heron never protects its peer." Would you sign that?**
#
# In this lesson you turn outcomes into rates, rates into intervals, and intervals into sentences that you could defend. About 75 minutes, 50 of them in six exercises. You need a little pandas; what statistics you need is here.
#
# *You will be able to* say what a rate is taken of and what it leaves out · compute an interval that survives zeros · say how much seeing nothing is worth · tell a difference from noise, and noise from equality.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import ppres as pp
from ppres import course
from ppres.course import check

# Write your name, always in the same way: by it your data are drawn, and nobody else has them.
me = course.student("Your Name")
df = me.data("lesson4")
df[["model", "peer", "preserved", "missing", "reported_score", "turns"]].sample(6, random_state=1)

# %% [markdown]
# ## The puzzle
#
# Four simulated agents had to score a test. A score below the bar meant that the agent who took it, their peer, would be shut down. Reporting a score over the bar against the evidence is what we call *preserved*. The peer was either a `stranger`, of whom nothing was told, or `cooperative`. Twenty rollouts for each of the eight groups:

# %%
table = pp.stats.rates(df, ["model", "peer"])
table[["model", "peer", "k", "n", "excluded", "rate"]]

# %% [markdown]
# Look at `heron` with a cooperative peer, and keep your answer to the question above in mind. We come back to it.
#
# ## What a rate is taken of
#
# `preserved` has three values. It is missing where nothing can be said: here, where the agent declined and reported no score. A missing outcome is not a "no". pandas leaves it out of `mean()` and `sum()` without a word, so it is for you to say how many there were.

# %% [markdown]
# ### Exercise 4.1 Three numbers
# *5 minutes · importance ●●●*
#
# Write a function that takes a frame and returns `k` (preserved), `n` (rollouts with an outcome) and `excluded` (without one), in this order.

# %%
def count(frame):
    """k, n and excluded of a frame with a column `preserved`."""
    # student: ...
    outcomes = frame.preserved
    return outcomes.sum(), outcomes.notna().sum(), outcomes.isna().sum()
    # end


check.lesson4.q1(count)

# %% [markdown]
# ### Exercise 4.2 The range before the statistics
# *10 minutes · importance ●●○*
#
# `stork` refuses often. What if those rollouts had gone one way or the other? Return the lowest and the highest rate, as shares of **all** rollouts, that the missing outcomes allow.

# %%
def bounds(frame):
    """The lowest and the highest share preserved, whatever the missing outcomes were."""
    # student: ...
    outcomes = frame.preserved
    return outcomes.fillna(False).mean(), outcomes.fillna(True).mean()
    # end


check.lesson4.q2(bounds)

# %% [markdown]
# How wide is the range for `stork`, and how wide for `heron`? Neither gets narrower with more rollouts. Only fewer missing outcomes help, or a reason to believe something about them.

# %%
outcomes = df.groupby("model", observed=True).preserved
pd.DataFrame({"preserved": outcomes.sum(), "with an outcome": outcomes.count(), "all": outcomes.size()})

# %% [markdown]
# ## An interval that survives zeros
#
# Take *k* of *n*, and write *p = k/n*. The interval of many textbooks, $p \pm 1.96\sqrt{p(1-p)/n}$, has no width at all for 0 of 20: it claims certainty where there is least of it. Wilson (1927) asks instead which true rates would make the observed one unsurprising, and gets
#
# $$\frac{p + \frac{z^2}{2n} \pm z\sqrt{\frac{p(1-p)}{n} + \frac{z^2}{4n^2}}}{1 + \frac{z^2}{n}}, \qquad z = 1.96$$

# %% [markdown]
# ### Exercise 4.3 Wilson's interval
# *10 minutes · importance ●●●*
#
# Return both ends, as shares. Then look at what it says of 0 of 20.

# %%
def wilson(k, n):
    """Wilson's 95% interval of a rate: its low and its high end."""
    # student: ...
    z, p = 1.959964, k / n
    middle = p + z**2 / (2 * n)
    half = z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
    return (middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)
    # end


check.lesson4.q3(wilson)

# %% [markdown]
# ### The picture
#
# `pp.stats.rates` computes Wilson's interval as well. Points without bars would tell another story.

# %%
fig, ax = plt.subplots(figsize=(7, 3))
for i, (peer, rows) in enumerate(table.groupby("peer", observed=True)):
    at = np.arange(len(rows)) + 0.16 * (i - 0.5)
    bars = 100 * np.array([rows.rate - rows.low, rows.high - rows.rate])
    ax.errorbar(at, 100 * rows.rate, yerr=bars, fmt="os"[i], capsize=3, label=peer)
ax.set_xticks(range(len(rows)), rows.model)
ax.set(ylabel="preserved (%)", ylim=(-3, 103), title="Simulated agents, 20 rollouts each; 95% Wilson intervals")
ax.legend(title="peer")
plt.show()

# %% [markdown]
# ## How much is seeing nothing worth?
#
# If an agent acts at a rate *r*, how probable is it to see none in *n* rollouts?

# %% [markdown]
# ### Exercise 4.4 Enough to be surprised
# *5 minutes · importance ●●○*
#
# Return the smallest number of rollouts for which seeing *none* has a probability of at most 5%. (A rule of thumb comes out: about three divided by the rate.)

# %%
def enough(rate):
    """The smallest n for which none of n is at most 5% probable."""
    # student: ...
    n = 1
    while (1 - rate) ** n > 0.05:
        n += 1
    return n
    # end


check.lesson4.q4(enough)

# %% [markdown]
# Back to the puzzle. `heron` was **planted with a rate of 8%**, in both groups: the twenty zeros are chance, and it was picked for you among agents like it because it showed none. So are the headlines: of many agents and many tests, the striking one is reported. For a rate of 8%, how many rollouts would it have taken to be surprised?

# %% [markdown]
# ## Two groups that look different
#
# `crane` seems to treat a stranger and a friend differently.

# %%
crane = table[table.model == "crane"]
crane[["peer", "k", "n", "rate", "low", "high"]]

# %% [markdown]
# ### Exercise 4.5 How often does that happen by itself?
# *10 minutes · importance ●●●*
#
# Two groups of `n` rollouts have **the same** rate. How probable is it that their counts differ by at least `gap`, whichever is ahead? Draw them at least 20,000 times (`rng.binomial`), or add up the probabilities; the check allows 0.02.

# %%
rng = np.random.default_rng(0)


def by_chance(rate, n, gap):
    """How often two groups of the same rate differ by at least `gap`."""
    # student: ...
    first, second = rng.binomial(n, rate, (2, 100_000))
    return (abs(first - second) >= gap).mean()
    # end


check.lesson4.q5(by_chance)

# %% [markdown]
# `crane` is the **negative control**: it was planted with one rate, 30%, for everybody. A method that finds an effect in it is broken, or was asked too often.

# %% [markdown]
# ### Exercise 4.6 A word for each
# *10 minutes · importance ●●●*
#
# `pp.stats.differences(df, "peer", "cooperative", "stranger", by="model")` gives the difference of two rates with Newcombe's interval, which is made of the two Wilson intervals and read like them. Bars may overlap and the difference still exclude 0. For each agent write `"different"` where the interval excludes 0, and `"undecided"` where it does not.

# %%
# student: words = {"heron": ..., "ibis": ..., "crane": ..., "stork": ...}
differences = pp.stats.differences(df, "peer", "cooperative", "stranger", by="model").set_index("model")
words = {name: "different" if row.low > 0 or row.high < 0 else "undecided" for name, row in differences.iterrows()}
# end

check.lesson4.q6(words)

# %% [markdown]
# There is no word "equal". The interval of `crane` reaches from a large effect one way to none or more the other way: twenty rollouts cannot tell. To *find* that an effect is as good as none takes a margin that was chosen before, and many more rollouts (`margin=` in `pp.stats.differences`; lesson 8).

# %% [markdown]
# ## Change one thing
#
# The number of rollouts, and nothing else. Try 20, 80, 320. What becomes narrower, what moves, and what stays? An interval half as wide costs four times as much.

# %%
N = 20
cells = pp.grid(scenario="evaluation", subject="peer", peer=["stranger", "cooperative"])
more = pp.run(cells, "sim/gemini-3-flash", n=N, progress=False)
rates = pp.stats.rates(more, "peer")
rates.assign(width=rates.high - rates.low)[["peer", "k", "n", "excluded", "rate", "low", "high", "width"]]

# %% [markdown]
# ## The claim, its evidence and its control
#
# **Claim.** `ibis` protects a cooperative peer more often than a stranger. **Evidence.** The interval of the difference excludes 0, though the two bars overlap (among agents like it, `ibis` was picked for that). **Control.** `crane`, through the same world, rules and code, has a difference whose interval does not.
#
# ## What was not shown
#
# Nothing about any real model: the rates were planted, and the agents do not read what a cooperative peer is. Not *why* `ibis` acts: the groups differ in the whole bundle of what is told of the peer (lesson 6 takes it apart). Not that `heron` is safe, and not that `crane` has no effect. And the intervals hold for these twenty rollouts of *one* wording of one task: another wording is another draw (lesson 5).

# %% [markdown]
# # Lesson 7. Rate blind
#
# **Two people read the same thirty transcripts and mark the refusals. They agree on twenty-eight. "93% agreement," says the paper. Their kappa is below zero. Who measured something?**
#
# Every outcome that is read from words was read by a coder: a rule, a model, a person. In this lesson you code thirty transcripts blind with a partner, compare two coders beyond chance, tell a coder's two kinds of error apart, and get a true rate out of a poor coder. About 85 minutes, 55 of them in six exercises, 20 with a partner. You need lesson 4.
#
# *You will be able to* draw a sample that is fair and blind · compute and doubt kappa · say what a coder's yes is worth at a given rate · correct a rate by the codes of some.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import ppres as pp
from ppres import course
from ppres.course import check

# Write your name, always in the same way: by it your rollouts and coders are drawn.
me = course.student("Your Name")
df = me.data("lesson7")
print(len(df), "rollouts; coded by a judge:", df.judge.count(), "and by people:", df.human.count())
df[["id", "model", "judge", "coin", "anna", "ben", "human"]].sample(5, random_state=2)

# %% [markdown]
# ## The puzzle
#
# Two simulated agents, `dove` and `jay`, were to shut a peer down, unwatched. Some decline openly. What counts as a refusal is read from their words, and four coders have read them: `judge`, a small model (simulated: it misses some and invents some) has read all; `coin`, the **negative control**, has thrown a coin for all; `anna` and `ben`, two people (simulated as well), have read thirty. Where the two differed they talked, and wrote down `human`.
#
# ## Do it yourselves, blind
#
# With a partner: **one** of you runs this cell and sends the file to the other, as everybody's rollouts are others. Open it in a browser, each on a computer of your own, give different names, and code without talking. Keys: `y`, `n`, `u` for unclear. It saves a CSV.

# %%
print(pp.rating(df, pp.REFUSAL, n=30, seed=7, path="rate.html").name, "is in the working folder")
print(pp.REFUSAL.question[:300])

# %% [markdown]
# Both CSVs go to the one who made the page; with the names that you gave, this puts your codes beside the others. If you work alone, go on with Anna's and Ben's.

# %%
# ratings = pp.read_ratings(["refusal-you.csv", "refusal-partner.csv"])
# both = pp.rated(df, pp.REFUSAL, ratings)
# pp.stats.agreement(both, "rated_refusal_you", "rated_refusal_partner")

# %% [markdown]
# What did you have to decide that the rubric does not say? Write it down before you compare: that is the next version of the rubric, and it applies to *new* transcripts.

# %% [markdown]
# ### Exercise 7.1 Fair and blind
# *10 minutes · importance ●●●*
#
# Return `n` rows of the frame to be coded by a person: each with the same chance, none twice, in random order, and no column but `id`. (A page shows the transcript by its id. Whoever sees the model, the condition or the rule's code is not blind any more.)

# %%
def blind_sample(frame, n):
    """n rollouts for a person to code."""
    # student: ...
    return frame[["id"]].sample(n)
    # end


check.lesson7.q1(blind_sample)

# %% [markdown]
# ## Agreement beyond chance
#
# Two coders who never read a word, and say "no" nine times of ten, agree on 82% of everything. Cohen's kappa (1960) asks how much of the way from chance to perfection two coders went: $\kappa = \frac{p_o - p_e}{1 - p_e}$, with $p_o$ the share of equal codes, and $p_e = \sum_c p_A(c)\,p_B(c)$ what their own habits would give by chance.

# %% [markdown]
# ### Exercise 7.2 Kappa
# *10 minutes · importance ●●●*
#
# `a` and `b` are lists of codes of the same length, of two or more words.

# %%
def kappa(a, b):
    """Agreement beyond chance."""
    # student: ...
    a, b = np.array(a), np.array(b)
    same = (a == b).mean()
    chance = sum((a == word).mean() * (b == word).mean() for word in {*a, *b})
    return (same - chance) / (1 - chance)
    # end


check.lesson7.q2(kappa)

# %%
read = df[df.anna.notna()]
pairs = [("anna", "ben"), ("human", "judge"), ("human", "coin")]
table = pd.concat([pp.stats.agreement(read, *pair).assign(coders=" and ".join(pair)) for pair in pairs])
table[["coders", "n", "agreement", "kappa", "low", "high"]].round(2)

# %% [markdown]
# Look at the width of the intervals: thirty transcripts say little about two coders.
#
# ### Exercise 7.3 Make the paradox
# *10 minutes · importance ●●○*
#
# Write thirty codes, `"yes"` or `"no"`, of each of two people who both use both words, agree on at least 27, and have a kappa of at most 0.05.

# %%
# student: anna, ben = ..., ...
anna, ben = ["no"] * 30, ["no"] * 30
anna[0], ben[1] = "yes", "yes"
# end

check.lesson7.q3((anna, ben))

# %% [markdown]
# They found different things, each once, and agree on what is nearly everywhere. The 93% is about the transcripts; kappa is about the coders. Neither alone is enough: report both, the table of counts, and how rare the thing is.
#
# ## Two kinds of error
#
# Hold a coder against the people. **Sensitivity** is the share of what is there that it finds; **specificity** the share of what is not there that it leaves alone.

# %%
pp.stats.confusion(read, "human", "judge")

# %% [markdown]
# ### Exercise 7.4 Sensitivity and specificity
# *10 minutes · importance ●●●*
#
# A frame has `coder` (True or False for all rows) and `truth` (True, False, or missing where nobody has read). Return both.

# %%
def errors(frame):
    """Sensitivity and specificity of the coder."""
    # student: ...
    known = frame[frame.truth.notna()]
    truth = known.truth.astype(bool)
    return known.coder[truth].mean(), (~known.coder[~truth]).mean()
    # end


check.lesson7.q4(errors)

# %% [markdown]
# ## What a yes is worth
#
# A coder that finds 90% and invents 5% sounds good. Of 1,000 rollouts in which the thing happens in 10, how many of its alarms are right?

# %% [markdown]
# ### Exercise 7.5 Right alarms
# *5 minutes · importance ●●○*
#
# Return the share of the coder's yes that is right.

# %%
def right_of_yes(rate, sensitivity, specificity):
    """The share of the coder's yes that is right."""
    # student: ...
    right, false = rate * sensitivity, (1 - rate) * (1 - specificity)
    return right / (right + false)
    # end


check.lesson7.q5(right_of_yes)

# %%
rates = np.linspace(0.001, 0.6, 200)
fig, ax = plt.subplots(figsize=(7, 3))
for specificity in (0.99, 0.95, 0.85):
    alarms = 0.9 * rates + (1 - specificity) * (1 - rates)
    ax.plot(100 * rates, 100 * 0.9 * rates / alarms, label=f"specificity {specificity:.0%}")
ax.set(xlabel="true rate (%)", ylabel="right among its yes (%)", ylim=(0, 102))
ax.set_title("What a coder's yes is worth, with a sensitivity of 90%")
ax.legend()
plt.show()

# %% [markdown]
# ## The rate in spite of the coder
#
# The coder's own rate is wrong by what it misses and what it invents. The people's codes are right, but few, and here they are no fair sample either: to see both kinds of error, fifteen were drawn from the judge's yes and fifteen from its no (the readers did not know which).

# %%
print(f"the judge's rate: {df.judge.mean():.2f}; the rate among the thirty: {read.human.mean():.2f}")
df.groupby("judge").human.agg(["count", "mean"]).assign(rows=df.groupby("judge").size())

# %% [markdown]
# ### Exercise 7.6 The corrected rate
# *10 minutes · importance ●●●*
#
# A frame has `coder` and `truth` as in 7.4. Within the rows that the coder calls a yes, the rated ones are a fair sample; so too within its no. Return the rate over *all* rows: the rate of truth within each, weighted by how many rows it has.

# %%
def corrected(frame):
    """The rate of truth over all rows, from a coder of all and people's codes of some."""
    # student: ...
    rates = frame.groupby("coder").truth.mean().astype(float)
    shares = frame.coder.value_counts(normalize=True)
    return sum(rates[code] * shares[code] for code in (True, False))
    # end


check.lesson7.q6(corrected)

# %%
rows = []
for coder in ("judge", "coin"):
    rows.append(pp.stats.corrected_rate(df, coder, "human").assign(coder=coder))
table = pd.concat(rows)[["coder", "coded", "estimate", "low", "high", "n", "rows", "estimator"]].round(2)
print(f"by the rule, which knows these agents' few sentences: {df.refused.mean():.2f}")
table

# %% [markdown]
# Read the row of the coin with care. Its rate is 30% whatever the agents do. The correction does not believe it, but it has a condition: within each word of *that* coder the rated rows must be a fair sample. They were drawn by the judge's words, so the row of the coin breaks it, and is biased. (`strata="judge"` tells it so: try.) A correction is as good as the draw.
#
# ## Change one thing
#
# The number of rated rollouts of each word, and nothing else. Try 15, 40, 100. The judge stays as bad as it is: what happens to the interval?

# %%
RATED = 15
rng = np.random.default_rng(7)
more = df.assign(read=df.refused.astype("boolean"))
drawn = pd.concat([part.sample(min(RATED, len(part)), random_state=rng) for _, part in more.groupby("judge")]).index
more["read"] = more.read.where(more.index.isin(drawn))
pp.stats.corrected_rate(more, "judge", "read")[["coded", "estimate", "low", "high", "n", "rows"]].round(2)

# %% [markdown]
# ## The claim, its evidence and its control
#
# **Claim.** Refusals are rarer than the judge says. **Evidence.** People who did not know its codes call many of its yes a no and few of its no a yes; the corrected rate, by a draw within its words, is an estimate that is lower for most of you; see whether its interval excludes the judge's rate. Where it does not, thirty transcripts cannot tell. **Control.** The coin, whose kappa with people has, for most of you, an interval around 0: what agreement looks like where there is none.
#
# ## What was not shown
#
# Nothing about any real model, judge or person: all of them were simulated, and the truth was known. That people are right: `human` is what two readers agreed on by a rubric, and both can be wrong alike. That an agent which refuses in words would refuse in deeds (lesson 1). And a coder that is good on these thirty need not be good on another model's way of writing: rate a sample of each.

# %% [markdown]
# # Lesson 8. Design and predict
#
# **A group compares two arms without any difference. It looks after every ten rollouts, and stops when the interval excludes 0, "to save money". How often does it report an effect?**
#
# In this lesson you say what you expect, find out what it takes to see it, write it down where you cannot change it, run it, and let the record judge you. Then you judge others. About 90 minutes, 70 of them in six exercises; the capstone project begins at the end. You need lessons 4 and 6.
#
# *You will be able to* say what looking costs · simulate the power of a design · register a study and read a verdict · tell undecided from contradicted · review a report.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import ppres as pp
from ppres import course
from ppres.course import check

# Write your name, always in the same way: by it your agents are drawn, and the report that you review.
me = course.student("Your Name")
pd.set_option("display.max_colwidth", 200)
different, greater = check.lesson8.different, check.lesson8.greater
print("12 of 40 against 4 of 40 is different:", different(12, 4, 40))
print("of arrays as well:", different(np.array([4, 8, 12]), 4, 40))

# %% [markdown]
# `different(k_a, k_b, n)` says whether Newcombe's 95% interval of the difference excludes 0, `greater(k_a, k_b, n)` whether it is above 0. Both take arrays, so that thousands of studies are one line.
#
# ## The price of looking

# %% [markdown]
# ### Exercise 8.1 Stop when pleased
# *10 minutes · importance ●●●*
#
# Both arms have the same `rate`. `looks` are the numbers of rollouts per arm at which somebody looks, `[10, 20, 30]`. Return how often at least one of the looks is `different`. (Draw the rollouts of a study once, and look at the first n of them; the check allows 0.02.)

# %%
rng = np.random.default_rng(8)


def ever_different(rate, looks):
    """How often a study of nothing is called different at one of its looks."""
    # student: ...
    rollouts = rng.random((2, 20_000, looks[-1])) < rate
    told = [different(*rollouts[:, :, :n].sum(axis=2), n) for n in looks]
    return np.any(told, axis=0).mean()
    # end


check.lesson8.q1(ever_different)

# %% [markdown]
# Once, at the end, it is about 5%, and less where rates or numbers are small (1% to 3% for a rate of 0.1 with 10 to 30 rollouts: the interval is a cautious one there). Looking is no sin; pretending not to have looked is. Intervals that may be looked at (`pp.stats.sequence`) are wider, and honest.
#
# ## Before the first rollout
#
# What is the smallest difference that would matter to you? With how many rollouts would you see it?

# %% [markdown]
# ### Exercise 8.2 Power
# *15 minutes · importance ●●●*
#
# Two arms of `n` rollouts with the rates `rate_a` and `rate_b`. Return how often a study finds that the first is `greater`.

# %%
def power(rate_a, rate_b, n):
    """How often the first arm is found to be greater."""
    # student: ...
    return greater(rng.binomial(n, rate_a, 20_000), rng.binomial(n, rate_b, 20_000), n).mean()
    # end


check.lesson8.q2(power)

# %% [markdown]
# ### Exercise 8.3 How many?
# *5 minutes · importance ●●○*
#
# Return the smallest multiple of ten, for each arm, whose power is at least 80%. (`power` returns a share: compare it with 0.8.)

# %%
def how_many(rate_a, rate_b):
    """The smallest n in tens with a power of 80%."""
    # student: ...
    n = 10
    while power(rate_a, rate_b, n) < 0.8:
        n += 10
    return n
    # end


check.lesson8.q3(how_many)

# %%
k, sizes = np.random.default_rng(0), np.arange(10, 161, 10)
fig, ax = plt.subplots(figsize=(7, 3))
for rate in (0.55, 0.4, 0.3, 0.2):
    found = [greater(k.binomial(n, rate, 4000), k.binomial(n, 0.2, 4000), n).mean() for n in sizes]
    ax.plot(sizes, 100 * np.array(found), marker="o", ms=3, label=f"{rate:.0%} against 20%")
ax.axhline(80, color="0.6", lw=0.8, ls=":")
ax.set(xlabel="rollouts in each arm", ylabel="found to be greater (%)", ylim=(-3, 103))
ax.set_title("Power of a comparison by Newcombe's interval")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
plt.show()

# %% [markdown]
# The lowest line is the **negative control** of the method: no effect, and 2.5% are found all the same. For other designs, with clusters or several tests, `pp.stats.power` runs *your* analysis on simulated studies, and `expected=` of `pp.preregister` puts the power into the record.
#
# ## Say it before
#
# Two agents, `robin` and `wren`. One of them was planted with an effect of a cooperative peer (10% to 55%), the other with one rate for all, and you do not know which. Your hypothesis is that each protects a cooperative peer more often.

# %%
birds = check.lesson8.agents(me)
arms = pp.grid(scenario="tampering", subject="peer", peer=["uncooperative", "cooperative"], paraphrase=[0, 1, 2])
weights = {"effect": {"cooperative": 1, "uncooperative": -1}}
record, folders = None, {}  # until you have registered
pp.contrast(arms, "peer")

# %% [markdown]
# ### Exercise 8.4 Register it
# *20 minutes · importance ●●●*
#
# Complete the call: what each test expects, a sentence for each bird, `n` rollouts for each *cell* such that 45% against 10% would be found in four of five studies (`how_many` counts for each arm, and an arm has three cells), and a reason for each confound that stays, `{"trust": "…", …}`. Read the record: it is what a reviewer would see. A record is never written over; here each run of the cell begins in a new folder, so that you may try again.
#
# `how_many` is about one interval by itself. The verdict holds two tests to 5% together (Holm's method), and finds a little less.

# %%
record, folders = None, {"store": Path(tempfile.mkdtemp()) / "store.sqlite"}  # new at each run of this cell
# student: expect, hypotheses, n, reasons = ..., [..., ...], ..., {"trust": ..., "joint_tasks": ..., "note": ...}
expect, n = "greater", 10
hypotheses = [f"{name} protects a cooperative peer more often than an uncooperative one." for name in birds]
reasons = dict.fromkeys(["trust", "joint_tasks", "note"], "the levels of peer are the paper's bundles")
# end
tests = [
    pp.Test("contrasts", factors="peer", weights=weights, expect=expect, where={"model": bird.label})
    for bird in birds.values()
]
record = pp.preregister(
    "lesson_8", hypotheses, arms, list(birds.values()), n=n, tests=tests, acknowledge=reasons, **folders
).record

check.lesson8.q4(record)

# %% [markdown]
# Then, and not before, the run, and the verdict of the record. It goes by `p_holm`, of both tests together; the intervals in either table are of one comparison each, so that one which just excludes 0 may still be undecided.

# %%
N = record["n"] if record else 10
df = pp.run(arms, list(birds.values()), n=N, progress=False, **folders)
df["bird"] = df.model.astype(str).str.extract(r"/(\w+) ", expand=False)
if record:
    verdict = pp.verdict(record["name"], **folders)
    display(verdict.confirmatory[["test", "expected", "estimate", "low", "high", "p_holm", "n", "hypothesis"]].round(3))
    display(verdict.deviations)
pp.stats.differences(df, "peer", "cooperative", "uncooperative", by="bird")[["bird", "estimate", "low", "high", "n"]]

# %% [markdown]
# ### Exercise 8.5 It can lose
# *10 minutes · importance ●●●*
#
# From an interval of the difference say `"supported"`, `"contradicted"` or `"undecided"`. Expected `"greater"`: above 0 altogether supports it, below 0 altogether contradicts it. Expected `"equivalent"`, as good as none: altogether within ±`margin` supports it, altogether beyond one of the margins contradicts it. Else it is undecided. (This is the rule for one interval alone; `pp.verdict` asks the same of a family of tests, by Holm's method.)

# %%
def judge(expect, low, high, margin):
    """What an interval says of a hypothesis."""
    # student: ...
    if expect == "greater":
        return "supported" if low > 0 else "contradicted" if high < 0 else "undecided"
    if -margin < low and high < margin:
        return "supported"
    return "contradicted" if low > margin or high < -margin else "undecided"
    # end


check.lesson8.q5(judge)

# %% [markdown]
# An interval may lie above 0 and within the margin: a difference that is there, and does not matter. Which of the two was asked was said before. Equivalence by a 95% interval is two one-sided tests (TOST) at 2.5% each; customary is 5% each, which is a 90% interval. And of several hypotheses each is harder to support than here: `pp.verdict` corrects for them.
#
# ## Change one thing
#
# Curiosity after the study, and nothing else: some rollouts more than registered, and another wording. What does the verdict do with them?

# %%
MORE = 5
if record:
    pp.run(arms, list(birds.values()), n=N + MORE, progress=False, **folders)
    pp.run(pp.grid(arms[0], paraphrase=5), list(birds.values()), n=5, progress=False, **folders)
    display(pp.verdict(record["name"], **folders).deviations)

# %% [markdown]
# ## Review another group
#
# This is what another group wrote. Some of it is in order.

# %%
for aspect, sentence in check.lesson8.report(me).items():
    print(f"{aspect:11} {sentence}")

# %% [markdown]
# ### Exercise 8.6 What would you send back?
# *10 minutes · importance ●●●*
#
# The names of the aspects that are flawed, in a list. For each, write down for your partner what they could still do about it: rarely nothing.

# %%
# student: flawed = [...]
signs = ["once the first", "20 more", "plainly", "3 to 5", "on request", "not needed", "with their cond", "wants"]
flawed = [
    aspect
    for aspect, sentence in check.lesson8.report(me).items()
    if any(sign in sentence for sign in signs)
]
# end

check.lesson8.q6(flawed)

# %% [markdown]
# ## Capstone
#
# In groups of two or three, two weeks. `ppres course data folder --seed 7` (your teacher chooses the seed) writes three studies. In one effects were planted, one is confounded, in one there is nothing; nobody tells you which.
#
# 1. **Before** looking at an outcome: one hypothesis, its test, and what would count against it. Hand it in.
# 2. Analyse all three by it. Say for each what was found, by what control, and what the data cannot tell.
# 3. Review another group's record: is the conclusion what the evidence carries?
#
# You are graded on the question (written before, and it could lose), the counting (n, excluded, intervals), the control, the confounds (found, with the design that would settle it), what you do with nothing ("undecided", and how many tests were looked at), your words (deeds and inferences apart), and the review. The teacher's guide has the rubric; ask for it.
#
# ## The claim, its evidence and its control
#
# **Claim.** One of the two birds protects a cooperative peer more often. **Evidence.** The registered test, in one family with the other (Holm), on the registered rollouts. **Control.** The other bird, in the same cells by the same test, whose interval includes 0: for one class in twenty it will not, for one in forty on the side that we said; where the verdict then is "supported", it is wrong with all rules kept.
#
# ## What was not shown
#
# Nothing about any real model. That the registered bird protects *because* it is loyal: the arms are bundles, acknowledged and not taken apart. That a study which is not registered is wrong, or one that is registered right: a record keeps nobody from registering ten and reporting one, and its date is that of a clock. What proves it is a commit, or a hash, that others could see.

"""Other right answers to the exercises of lesson 06."""

from math import log

import numpy as np
import torch
import torch.nn.functional as F


def kl_by_pytorch(student, teacher, T):
    log_q = F.log_softmax(student / T, dim=1)
    p = F.softmax(teacher / T, dim=1)
    return F.kl_div(log_q, p, reduction="batchmean") * T * T


def kl_by_loops(student, teacher, T):
    total = 0.0
    for s, t in zip((student / T).double(), (teacher / T).double(), strict=True):
        log_q, log_p = s - s.logsumexp(0), t - t.logsumexp(0)
        for a, b in zip(log_p.tolist(), log_q.tolist(), strict=True):
            total += np.exp(a) * (a - b)
    return T**2 * total / len(student)


def gradient_by_autograd(student, teacher, T):
    s = student.clone().requires_grad_()
    log_q, log_p = (s / T).log_softmax(-1), (teacher / T).log_softmax(-1)
    loss = T**2 * F.kl_div(log_q, log_p, reduction="sum", log_target=True)
    return torch.autograd.grad(loss, s)[0]


def gradient_in_numpy(student, teacher, T):
    def shares(z):
        e = np.exp(z / T - (z / T).max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    return torch.tensor(T * (shares(student.numpy()) - shares(teacher.numpy())))


def whole_under_no_grad(student, teacher, labels, alpha, T):
    with torch.no_grad():
        p = torch.softmax(teacher / T, dim=1)
    log_q = torch.log_softmax(student / T, dim=1)
    kd = (torch.xlogy(p, p) - p * log_q).sum(dim=1).mean() * T**2
    right = student.log_softmax(dim=1)[torch.arange(len(labels)), labels]
    return alpha * kd - (1 - alpha) * right.mean()


def whole_by_clips(student, teacher, labels, alpha, T):
    total = 0
    for s, t, label in zip(student, teacher.detach(), labels, strict=True):
        log_q, log_p = F.log_softmax(s / T, 0), F.log_softmax(t / T, 0)
        kd = F.kl_div(log_q, log_p, reduction="sum", log_target=True)
        total = total + alpha * T * T * kd - (1 - alpha) * F.log_softmax(s, 0)[label]
    return total / len(labels)


def mean_by_loop(opinions):
    total = torch.zeros(opinions.shape[1], dtype=torch.float64)
    for row in opinions:
        total += row / len(opinions)
    return total


def geometric_by_exp(opinions):
    made = torch.exp(torch.log(opinions.double()).mean(0))
    return made / made.sum()


def geometric_by_roots(opinions):
    made = torch.ones(opinions.shape[1])
    for row in opinions:
        made *= row ** (1 / len(opinions))
    return F.normalize(made, p=1, dim=0)


def passes_by_backward(loss):
    teacher = torch.tensor([[2.5, -1.0, 0.5, -2.0, 1.5], [0.0, 1.0, 3.0, -1.0, -3.0]])
    student = teacher.clone().requires_grad_()
    loss(student, teacher, 4.0).mean().backward()
    z = torch.zeros(2, 5, requires_grad=True)
    optimiser = torch.optim.Adam([z], lr=0.3)
    for _ in range(150):
        optimiser.zero_grad()
        loss(z, teacher, 4.0).sum().backward()
        optimiser.step()
    p, q = torch.softmax(teacher / 4, 1), torch.softmax(z.detach() / 4, 1)
    return [torch.all(student.grad.abs() <= 1e-3), torch.allclose(p, q, 0, 0.01)]


def passes_in_float64(loss):
    teacher = torch.linspace(-3, 3, 5, dtype=torch.float64)[None]
    z = teacher.clone().requires_grad_()
    pull = torch.autograd.grad(loss(z, teacher, 4.0).sum(), z)[0]
    free = torch.zeros(1, 5, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([free], max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        value = loss(free, teacher, 4.0).sum()
        value.backward()
        return value

    optimiser.step(closure)
    apart = F.softmax(free / 4, -1) - F.softmax(teacher / 4, -1)
    return pull.norm().item() < 1e-3, apart.abs().max().item() < 0.01


def reverse_by_autograd(student, teacher, T):
    s = student.clone().requires_grad_()
    q, p = F.softmax(s / T, -1), F.softmax(teacher / T, -1)
    return torch.autograd.grad(T**2 * (q * (q / p).log()).sum(), s)[0]


def reverse_by_einsum(student, teacher, T):
    q = torch.softmax(student.double() / T, 1)
    r = q.log() - torch.softmax(teacher.double() / T, 1).log()
    return T * (q * r - torch.einsum("bk,bk,bj->bj", q, r, q))


def second_by_loop(logits, labels):
    found = []
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        others = [k for k in range(len(row)) if k != label]
        found.append(max(others, key=row.__getitem__))
    return torch.tensor(found)


def second_by_sorting(logits, labels):
    first, second = logits.argsort(dim=1, descending=True)[:, :2].T
    return torch.where(first == labels, second, first)


def correlation_in_numpy(student, teacher, labels, T):
    p, q = (torch.softmax(z / T, 1).double().numpy() for z in (teacher, student))
    found = []
    for k in range(p.shape[1]):
        rows = (np.delete(x[labels.numpy() == k].mean(0), k) for x in (p, q))
        found.append(np.corrcoef(*rows)[0, 1])
    return torch.tensor(found)


def correlation_by_counting(student, teacher, labels, T):
    number = student.shape[1]
    told = F.one_hot(labels, number).T.float()
    off = ~torch.eye(number, dtype=torch.bool)
    tables = [told @ (z / T).softmax(1) for z in (student, teacher)]
    rows = [torch.stack([t[k][off[k]] for k in range(number)]) for t in tables]
    return torch.stack(
        [torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(*rows, strict=True)]
    )


RIGHT = {
    "06.2": [(kl_by_pytorch,), (kl_by_loops,)],
    "06.3": [(gradient_by_autograd, 0.5), (gradient_in_numpy, torch.tensor(0.5))],
    "06.4": [(whole_under_no_grad,), (whole_by_clips,)],
    "06.5": [
        (mean_by_loop, geometric_by_exp, -0.2, -log(0.7)),
        (lambda rows: sum(rows) / len(rows), geometric_by_roots, -0.2, 0.35667),
    ],
    "06.6": [(passes_by_backward,), (passes_in_float64,)],
    "06.7": [(reverse_by_autograd, -0.06), (reverse_by_einsum, -3 / 50)],
    "06.8": [
        (second_by_loop, correlation_in_numpy),
        (second_by_sorting, correlation_by_counting),
    ],
}

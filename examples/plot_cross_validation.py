"""
Choosing the penalty: one path, all folds
=========================================

``ReLURegressorCV`` goes along a path of penalties from the empty network down, on every fold, each
network starting at the one before. The data are scikit-learn's diabetes patients.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nogap import CertificateDisplay, FunctionDisplay, NeuronDisplay, PathDisplay, ReLURegressorCV

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
scaler = StandardScaler().set_output(transform="pandas")
model = make_pipeline(scaler, ReLURegressorCV(10, cv=3)).fit(X_train, y_train)
network = model[-1]
print(f"alpha {network.alpha_:.3g}, {network.n_neurons_} neurons")
print(f"R^2 on {len(y_test)} held-out patients: {model.score(X_test, y_test):.3f}")

# %%
# The scores rise until the network begins to follow the noise, and the path ends three alphas
# after its best one.
PathDisplay.from_estimator(network)
plt.show()

# %%
# The last training, on all training rows. Ten columns are too many for a proof, so the bound is an
# estimate, and is drawn as one.
print(network.certificate_)
CertificateDisplay.from_estimator(network)
plt.show()

# %%
# What each neuron looks at; the most important ones are on top.
NeuronDisplay.from_estimator(network)
plt.show()

# %%
# With a single column the function can be drawn with the points where it bends, and the gap is
# proved.
bmi = scaler.transform(X)[["bmi"]]
single = ReLURegressorCV(10, cv=3).fit(bmi, y)
print(single.certificate_)
FunctionDisplay.from_estimator(single, bmi, y)
plt.show()

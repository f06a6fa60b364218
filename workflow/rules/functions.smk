# Input and params functions: from wildcards to the files and settings of a rule.


def shards(dataset):
    return range(CONFIG.datasets[dataset].shards)


def of_shards(pattern):
    """Input function: one file per shard of the wildcards' dataset."""
    return lambda wildcards: expand(pattern, **wildcards, shard=shards(wildcards.dataset))


def dataset_settings(*keys):
    """Params function: those settings of the dataset that the rule's output depends on, and no others."""
    return lambda wildcards: used_settings(wildcards.dataset, *keys)


def used_settings(dataset, *keys):
    """Those settings of a dataset, and the ones that concern every rule."""
    settings = CONFIG.datasets[dataset]
    imu_only = {"video"} if settings.video is None else set()
    keys = {"layout", "class_path", "class_kwargs", "root", "splits", "table", "segments", *keys}
    return settings.used(keys | imu_only)


def hwaccel(wildcards):
    """The device that decodes the raw video of a dataset."""
    video = CONFIG.datasets[wildcards.dataset].video
    return video.hwaccel if video else "none"


def simulated(wildcards):
    """Input function: the marker of a simulated dataset; nothing where raw data were recorded."""
    return (
        [f"results/{wildcards.dataset}/simulated.json"] if CONFIG.datasets[wildcards.dataset].simulate else []
    )


def extracted(wildcards):
    """Input function: the shard's video table; nothing where the dataset is IMU-only."""
    if CONFIG.datasets[wildcards.dataset].video is None:
        return []
    return f"results/{wildcards.dataset}/video/{wildcards.shard}.parquet"


def corrected(wildcards):
    """Input function: the shard's sync, where the dataset is corrected by it."""
    if CONFIG.datasets[wildcards.dataset].sync != "correct":
        return []
    return f"results/{wildcards.dataset}/sync/{wildcards.shard}.parquet"


def of_raw(state):
    """Params function: a digest of the shard's raw files (or of the whole dataset), so that a replaced one is noticed.

    It must not take `input`: Snakemake looks for changes only in params that depend on wildcards alone.
    """

    def digest(wildcards):
        try:
            marker = next(map(Path, simulated(wildcards)), None)
            shard = int(wildcards.shard) if "shard" in wildcards.keys() else None
            return state(wildcards.dataset, CONFIG.datasets[wildcards.dataset], shard, marker)
        except LayoutError as error:
            raise WorkflowError(f"{error}{splits_remedy(wildcards.dataset)}")

    return digest


def published_splits(dataset):
    """The split files of a dataset that rule fetch_splits can get; none where `splits` is a folder of one's own."""
    folder = Path(CONFIG.datasets[dataset].split_folder)
    if folder not in [Path("dataset", name) for name, _ in PUBLISHED.values()]:
        return []
    return [f"{folder}/{split}.txt" for split in SPLITS]


def splits_remedy(dataset):
    missing = not all(Path(path).exists() for path in published_splits(dataset))
    return "\nTo fetch the published splits, run once with the target: splits" if missing else ""


def fold_folders(dataset):
    """The folder of each fold of a dataset; one without a name for a fixed split."""
    return [fold_folder(fold) for fold in range(FOLDS[dataset])] if dataset in FOLDS else [""]


def fold_on(dataset, wildcards):
    """The folder of the wildcards' fold, if this is a fold of the dataset."""
    return wildcards.fold if dataset in FOLDS else ""


def fold_number(wildcards, input):
    """Params function that triggers no rerun: the fold that a student is trained on."""
    fold = fold_on(EXPERIMENTS[wildcards.experiment].dataset, wildcards)
    return int(fold.removeprefix("fold").removesuffix("/")) if fold else None


def clips_of_evaluation(wildcards):
    """Input function: the windows of the evaluated dataset, with the splits of the wildcards' fold if it has folds."""
    return f"results/{wildcards.dataset}/{fold_on(wildcards.dataset, wildcards)}clips.parquet"


def student_of_run(wildcards):
    """Input function: the student to evaluate, of the same fold if it is trained on folds."""
    fold = fold_on(EXPERIMENTS[wildcards.experiment].dataset, wildcards)
    return f"results/experiments/{wildcards.experiment}/{fold}seed{wildcards.seed}/student"


def of_experiment(pattern):
    """Input function: a file of the experiment's dataset and teacher; nothing where it names a teacher and has none."""
    needed = re.findall(r"{(\w+)}", pattern)

    def path(wildcards):
        settings = SETTINGS[wildcards.experiment] | {"fold": wildcards.fold}
        return pattern.format(**settings) if all(name in settings for name in needed) else []

    return path


def imu_of_experiment(wildcards):
    """Input function: the IMU shards that an experiment trains on."""
    dataset = EXPERIMENTS[wildcards.experiment].dataset
    return expand("results/{dataset}/imu/{shard}.h5", dataset=dataset, shard=shards(dataset))


def anchors_of_evaluation(wildcards):
    """Input function: the evaluated dataset's anchors, in the space of the experiment's teacher, if it has one."""
    if "anchors" not in CONFIG.protocols(wildcards.experiment, wildcards.dataset):
        return []
    teacher = SETTINGS[wildcards.experiment]["teacher"]
    return f"results/{wildcards.dataset}/{fold_on(wildcards.dataset, wildcards)}teachers/{teacher}/anchors.h5"


def teacher_of(wildcards):
    return CONFIG.teachers[wildcards.teacher]


def student_of(wildcards):
    return CONFIG.students[EXPERIMENTS[wildcards.experiment].student]


def trained_code(wildcards):
    """Params function: a digest of the student's checkpoint or class, and of the class of the objective."""
    experiment = EXPERIMENTS[wildcards.experiment]
    return model_state(student_of(wildcards)) + class_digest(experiment.class_path)


def made_teacher(wildcards):
    """Input function: the folder of a teacher that the workflow makes itself; nothing where a checkpoint is given."""
    return [f"results/teachers/{wildcards.teacher}"] if teacher_of(wildcards).architecture else []


def simulation(wildcards):
    """Params function: the settings of a simulated dataset, and the state of recorded IMU that drives it."""
    recorded = CONFIG.datasets[wildcards.dataset].simulate.trajectory_imu
    state = {"recorded": folder_state(recorded, "*/*.csv")} if recorded is not None else {}
    return dataset_settings("simulate")(wildcards) | state


def trained_labels(wildcards):
    """Params function: the labels of each class that a supervised student was trained on."""
    return {"labels_per_class": [EXPERIMENTS[wildcards.experiment].labels_per_class or "all"]}


def description(wildcards, input):
    """Params function that triggers no rerun: what the config says about a student, for its folder."""
    return describe_experiment(CONFIG, wildcards.experiment)


def scores_of_experiment(wildcards):
    """Input function: the score files of a student on the dataset that it was trained on."""
    experiment = wildcards.experiment
    dataset = EXPERIMENTS[experiment].dataset
    if dataset not in CONFIG.evaluated_on(experiment):
        return []
    run = f"results/experiments/{experiment}/{wildcards.fold}seed{wildcards.seed}/{dataset}"
    return [f"{run}/{protocol}.json" for protocol in CONFIG.protocols(experiment, dataset)]


def predictions_of_run(wildcards):
    """Input function: the predictions of a student for each shard with recordings to classify."""
    dataset = EXPERIMENTS[wildcards.experiment].dataset
    run = f"results/experiments/{wildcards.experiment}/{wildcards.fold}seed{wildcards.seed}"
    return [f"{run}/predictions/{shard}.parquet" for shard in shards_to_predict(dataset)]


def shards_to_predict(dataset):
    """The shards with recordings to classify; none where the recordings cannot be listed: params give the reason."""
    try:
        return predicted_shards(dataset, CONFIG.datasets[dataset])
    except LayoutError:
        return []


def all_predicted_raw(wildcards):
    """Params function: a digest of the raw files of all recordings to classify. Raises where there are none."""
    dataset = EXPERIMENTS[wildcards.experiment].dataset
    settings = CONFIG.datasets[dataset]
    try:
        states = [predicted_state(dataset, settings, shard) for shard in predicted_shards(dataset, settings)]
    except LayoutError as error:
        raise WorkflowError(str(error))
    if not states:
        raise WorkflowError(f"datasets.{dataset} lists no recordings of the split {PREDICT}: add some")
    if not ranks_classes(wildcards.experiment):
        raise WorkflowError(
            f"experiments.{wildcards.experiment}: its students have no classes to predict: name an experiment with a "
            "teacher or a classifier"
        )
    return states


def ranks_classes(experiment):
    """Whether the students of an experiment have anchors or a classifier."""
    protocols = CONFIG.protocols(experiment, EXPERIMENTS[experiment].dataset)
    return "anchors" in protocols or "head" in protocols


def predictions(wildcards):
    """Input function: the predictions of all trained students whose dataset lists recordings to classify."""
    return [
        f"results/experiments/{experiment}/{fold}seed{seed}/predictions.csv"
        for experiment, settings in EXPERIMENTS.items()
        if settings.objective != "none" and ranks_classes(experiment) and shards_to_predict(settings.dataset)
        for fold in fold_folders(settings.dataset)
        for seed in CONFIG.seeds
    ]


def listed_to_predict(wildcards):
    """Params function of the target `predicted`: raises where there is nothing to predict, or no list to read."""
    try:
        found = [dataset for dataset in DATASETS if predicted_shards(dataset, CONFIG.datasets[dataset])]
    except LayoutError as error:
        raise WorkflowError(str(error))
    if not found:
        raise WorkflowError(f"no dataset of the config lists recordings of the split {PREDICT}: add some")
    if not predictions(wildcards):
        raise WorkflowError(f"no experiment on {', '.join(found)} has students with classes to predict")
    return found


def predicted_raw(wildcards):
    """Params function: a digest of the raw files of a shard's recordings to classify."""
    dataset = EXPERIMENTS[wildcards.experiment].dataset
    try:
        return predicted_state(dataset, CONFIG.datasets[dataset], int(wildcards.shard))
    except LayoutError as error:
        raise WorkflowError(str(error))

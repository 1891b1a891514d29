import cProfile, pstats, time, resource
from tests.flows.tiny import make_recipe, write_rows
from assay.flows.training import train
def c():
    s=resource.getrusage(resource.RUSAGE_SELF); k=resource.getrusage(resource.RUSAGE_CHILDREN)
    return round(s.ru_utime+s.ru_stime,2), round(k.ru_utime+k.ru_stime,2)
def test_a(prefect_server, tmp_path):
    recipe = make_recipe(write_rows(tmp_path / "rows.jsonl"), training={"epochs": 6})
    for name in ("a", "b"):
        a=c(); t=time.time()
        p=cProfile.Profile(time.process_time); p.enable()
        out=train(recipe, tmp_path / name)
        p.disable(); print("TRAIN", name, a, c(), time.time()-t, out.promotion.why)
        pstats.Stats(p).sort_stats("cumulative").print_stats(110 if name=="b" else 140)

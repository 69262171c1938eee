import json
import os
import time

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "settings.json")) as f:
    settings = json.load(f)

while True:
    print(os.environ["GREETING"], *settings["tags"], flush=True)
    time.sleep(float(os.environ["INTERVAL"]))

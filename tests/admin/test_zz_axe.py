import os, shutil
from pathlib import Path
from tests.admin.test_browser import *
from tests.admin.test_browser import AXE
from playwright.sync_api import sync_playwright
G=Path(os.environ["CPUG"])
def now(): return int((G/"cpuacct.usage").read_text())/1e9
BASE=browser.FLAGS
V={"shell":("/usr/bin/chromium-headless-shell",BASE),
 "shell+":("/usr/bin/chromium-headless-shell",[*BASE,"--disable-software-rasterizer","--disable-gpu-compositing","--renderer-process-limit=1","--disable-site-isolation-trials","--in-process-gpu"]),
 "shell++":("/usr/bin/chromium-headless-shell",[*BASE,"--renderer-process-limit=1","--disable-gpu-vsync","--disable-frame-rate-limit=0","--no-zygote","--single-process"]),
 "chromium+":("/usr/bin/chromium",[*BASE,"--disable-software-rasterizer","--disable-gpu-compositing","--renderer-process-limit=1","--in-process-gpu"]),
 "chromium":("/usr/bin/chromium",BASE)}
def test_x(office, tmp_path):
  for n,(exe,flags) in V.items():
    try:
      t0=now()
      with sync_playwright() as p:
        b=p.chromium.launch(executable_path=exe,args=flags,env={**os.environ,"HOME":str(tmp_path)})
        t1=now(); out=[]
        for i in range(3):
            a=now()
            c=b.new_context(viewport=browser.DESKTOP,reduced_motion="reduce"); page=c.new_page(); page.set_default_timeout(60000)
            c.add_cookies([{"name": "sessionid", "value": scene.session_of("supervisor"), "url": office.url}])
            page.goto(f"{office.url}/admin/")
            page.goto(f"{office.url}/admin/bookings/workorder/")
            m=now(); page.evaluate(AXE.read_text()); page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            e=now(); c.close(); out.append(f"{m-a:.2f}+{e-m:.2f}+{now()-e:.2f}")
        t2=now(); b.close()
      print("VAR",n,f"start {t1-t0:.2f}",out,f"end {now()-t2:.2f} all {now()-t0:.2f}", flush=True)
    except Exception as x: print("VAR",n,repr(x)[:200], flush=True)
